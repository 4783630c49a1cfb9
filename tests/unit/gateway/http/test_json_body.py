"""Valid JSON bodies are decoded, and invalid ones get an error for each field."""

import time
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from libs.schemas.contacts.contacts import Condition
from services.gateway.http.errors import ApiError
from services.gateway.http.fields import Email
from services.gateway.http.json_body import MAX_TOKENS, Body, decode


class Sample(Body, frozen=True, kw_only=True):
    email: Email
    event_name: Annotated[str, Meta(min_length=1)]
    subscribed: bool | None = None
    data: dict[str, Any] | None = None
    condition: Condition | None = None


VALID: dict[str, Any] = {"email": "ada@example.com", "eventName": "signed_up"}


def encoded(**changes: Any) -> bytes:
    return msgspec.json.encode(VALID | changes)


def rejection(raw: bytes) -> ApiError:
    with pytest.raises(ApiError) as raised:
        decode(Sample, raw)
    return raised.value


def errors(raw: bytes) -> list[tuple[str, str]]:
    return [(error.field, error.code) for error in rejection(raw).errors]


def test_a_valid_body_is_decoded_and_unknown_members_are_ignored() -> None:
    sample = decode(Sample, encoded(unknown=1, data={"plan": "pro"}))
    assert (sample.event_name, sample.data) == ("signed_up", {"plan": "pro"})


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"nope", b'{"a":NaN}', b"\xff\xfe", b'{"email":"\xc3("}', b'{"email":"a\x00b"}', b'{"e":"\\ud800"}'],
)
def test_invalid_json_is_malformed(raw: bytes) -> None:
    rejected = rejection(raw)
    assert (rejected.status, rejected.code, rejected.message) == (
        400,
        "VALIDATION_ERROR",
        "Invalid JSON in request body",
    )


@pytest.mark.parametrize("rest", [b"NaN}", b'"\\ud800"}', b"1}{}", b"1", b'"\xff"}'])
def test_invalid_json_after_an_invalid_field_is_malformed(rest: bytes) -> None:
    assert rejection(b'{"email":5,"eventName":' + rest).status == 400


def test_every_invalid_field_is_reported() -> None:
    rejected = rejection(b'{"email":5,"subscribed":"true","data":[]}')
    assert rejected.status == 422
    assert [(error.field, error.code) for error in rejected.errors] == [
        ("email", "invalid_type"),
        ("eventName", "required"),
        ("subscribed", "invalid_type"),
        ("data", "invalid_type"),
    ]


def test_strings_and_numbers_are_not_converted() -> None:
    assert errors(encoded(subscribed="true")) == [("subscribed", "invalid_type")]
    assert errors(encoded(eventName=7)) == [("eventName", "invalid_type")]


def test_a_nested_error_is_named_by_its_path() -> None:
    condition = {"logic": "AND", "groups": [{"filters": [{"field": "a", "operator": "equals"}, {"field": "b"}]}]}
    assert errors(encoded(condition=condition)) == [("condition.groups.0.filters.1.operator", "required")]
    assert errors(encoded(condition={"logic": "XOR", "groups": []})) == [("condition.logic", "invalid_enum_value")]


def test_a_body_that_is_not_an_object_is_rejected_as_a_whole() -> None:
    assert errors(b"[]") == [("", "invalid_type")]
    assert errors(b"5") == [("", "invalid_type")]


@pytest.mark.parametrize("email", ["nope", "a@b", "@example.com", "a b@example.com", "a@b..com", "a@@b.com", ""])
def test_addresses_must_look_like_addresses(email: str) -> None:
    assert errors(encoded(email=email)) == [("email", "invalid_string")]


def test_an_address_may_be_padded_and_must_not_be_longer_than_mail_allows() -> None:
    assert decode(Sample, encoded(email="  Ada@Example.com ")).email == "  Ada@Example.com "
    assert errors(encoded(email="a" * 250 + "@b.co")) == [("email", "too_big")]


def test_an_address_crafted_to_be_slow_is_rejected_quickly() -> None:
    began = time.process_time()
    rejection(encoded(email="a@" + "." * 200_000 + "@"))
    assert time.process_time() - began < 0.5


def test_nul_is_rejected_and_an_escaped_backslash_u0000_is_not() -> None:
    assert errors(b'{"email":"a@b.co","eventName":"a\\u0000"}') == [("", "invalid_string")]
    assert decode(Sample, rb'{"email":"a@b.co","eventName":"a\\u0000"}').event_name == r"a\u0000"


def test_integers_beyond_53_bits_are_rejected_but_not_digits_in_text() -> None:
    assert errors(encoded(data={"n": 2**53})) == [("", "too_big")]
    assert errors(b'{"email":"a@b.co","eventName":"x","data":{"n":-%b}}' % (b"9" * 5000)) == [("", "too_big")]
    assert decode(Sample, encoded(data={"n": 2**53 - 1, "s": "9" * 30, "f": 0.12345678901234567})).data is not None


def test_nesting_is_limited_but_width_is_not() -> None:
    deep = b'{"a":' * 31 + b"1" + b"}" * 31
    assert decode(Sample, b'{"email":"a@b.co","eventName":"x","data":%b}' % deep)
    deeper = b'{"a":' * 32 + b"1" + b"}" * 32
    assert errors(b'{"email":"a@b.co","eventName":"x","data":%b}' % deeper) == [("", "too_big")]
    assert decode(Sample, encoded(data={"many": [{} for _ in range(100)], "text": "{[" * 100}))


def test_a_body_of_brackets_or_quotes_is_rejected_quickly() -> None:
    began = time.process_time()
    assert rejection(b"[" * 250_000).status == 422
    assert rejection(b"[" * 40 + b'\\"' * 125_000).status == 422
    assert time.process_time() - began < 2


@pytest.mark.parametrize("item", [b'""', b"0", b"[]", b"null", b'{"a":1}'])
def test_a_body_of_very_many_values_is_rejected_before_they_are_made(item: bytes) -> None:
    raw = b'{"email":"ada@example.com","eventName":"x","data":{"l":[' + b",".join([item] * MAX_TOKENS) + b"]}}"
    assert errors(raw) == [("", "too_big")]


def test_a_long_text_is_one_value() -> None:
    text = "a,b{c}[d] \\ 'e' " * 50_000
    sample = decode(Sample, encoded(data={"text": text}))
    assert sample.data == {"text": text}
