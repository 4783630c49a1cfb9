"""Which keys are valid, and which requests are the same."""

import pytest

from services.gateway.http.errors import ApiError
from services.gateway.http.idempotency import fingerprint_of, valid_key
from services.gateway.http.json_body import MAX_TOKENS


@pytest.mark.parametrize("key", [b"a", b"order/42 again", b"x" * 255])
def test_printable_ascii_is_a_key(key: bytes) -> None:
    assert valid_key(key) == key.decode()


@pytest.mark.parametrize("key", [b"", b"x" * 256, "schlüssel".encode(), b"a\tb"])
def test_anything_else_is_not_a_key(key: bytes) -> None:
    with pytest.raises(ApiError) as raised:
        valid_key(key)
    assert (raised.value.status, raised.value.code) == (400, "BAD_REQUEST")


def test_the_same_json_in_another_order_is_the_same_request() -> None:
    one = fingerprint_of("POST /contacts", b"", b'{"a":1, "b":{"c":2,"d":3}}')
    assert one == fingerprint_of("POST /contacts", b"", b'{"b":{"d":3,"c":2},"a":1}')


@pytest.mark.parametrize(
    ("request_line", "query", "body"),
    [
        ("PATCH /contacts", b"", b'{"a":1}'),
        ("POST /v1/track", b"", b'{"a":1}'),
        ("POST /contacts", b"x=1", b'{"a":1}'),
        ("POST /contacts", b"", b'{"a":"1"}'),
        ("POST /contacts", b"", b""),
    ],
)
def test_another_method_path_query_or_body_is_another_request(request_line: str, query: bytes, body: bytes) -> None:
    assert fingerprint_of(request_line, query, body) != fingerprint_of("POST /contacts", b"", b'{"a":1}')


def test_a_body_that_is_not_json_has_a_fingerprint() -> None:
    assert fingerprint_of("POST /", b"", b"\xff[") != fingerprint_of("POST /", b"", b"\xff{")


def test_a_body_with_too_many_values_is_compared_as_it_is_instead_of_being_decoded() -> None:
    items = b",".join([b'""'] * MAX_TOKENS)
    one = fingerprint_of("POST /v1/send", b"", b'{"a":1,"l":[' + items + b"]}")
    assert one != fingerprint_of("POST /v1/send", b"", b'{"l":[' + items + b'],"a":1}')
