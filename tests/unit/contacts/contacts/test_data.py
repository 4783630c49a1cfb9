"""Merging, comparing and checking contacts' data."""

from typing import Any

import pytest

from libs.kernel.conditions.values import equal_as_json
from libs.kernel.rejection import Rejected
from services.contacts.contacts.data import (
    MAX_BYTES,
    MAX_DEPTH,
    check_data,
    merge,
)

STORED = {"plan": "free", "seats": 1, "address": {"city": "Rome", "zip": "00184"}}


@pytest.mark.parametrize(
    ("incoming", "change"),
    [
        ({"plan": "pro"}, {"plan": "pro"}),
        ({"trial": False, "left": 0}, {"trial": False, "left": 0}),
        ({"tags": ["a", 1]}, {"tags": ["a", 1]}),
        ({"plan": ""}, {}),
        ({"code": {"value": "123", "persistent": False}}, {}),
        ({"plan": {"value": "pro", "persistent": True}}, {"plan": "pro"}),
        ({"plan": {"value": "", "persistent": True}}, {}),
        ({"plan": {"value": "pro"}}, {"plan": {"value": "pro"}}),
        ({"plan": {"value": "pro", "persistent": "no"}}, {"plan": {"value": "pro", "persistent": "no"}}),
        ({"locale": "fr"}, {"locale": "fr"}),
        ({"locale": ""}, {}),
        ({"address": {"city": "Oslo"}}, {"address": {"city": "Oslo"}}),
    ],
)
def test_data_merges_by_top_level_keys(incoming: dict[str, Any], change: dict[str, Any]) -> None:
    assert merge(STORED, incoming) == STORED | change


def test_null_deletes_a_key() -> None:
    assert merge(STORED, {"plan": None, "unknown": None}) == {"seats": 1, "address": STORED["address"]}
    assert merge(STORED, {"plan": {"value": None, "persistent": True}}) == merge(STORED, {"plan": None})


@pytest.mark.parametrize(
    "key",
    [
        "id",
        "email",
        "createdAt",
        "updatedAt",
        "subscribed",
        "unsubscribeUrl",
        "subscribeUrl",
        "manageUrl",
        "plunk_id",
        "plunk_email",
    ],
)
def test_reserved_keys_are_dropped(key: str) -> None:
    assert merge(STORED, {key: "x"}) == STORED


@pytest.mark.parametrize("locale", [5, True, ["en"], {"value": 5, "persistent": True}])
def test_a_locale_that_is_not_a_string_is_rejected(locale: object) -> None:
    with pytest.raises(Rejected) as rejection:
        merge({}, {"locale": locale})
    assert [(error.field, error.message) for error in rejection.value.errors] == [
        ("data.locale", "Locale must be a string")
    ]


def test_merging_does_not_change_its_arguments() -> None:
    stored, incoming = {"a": 1}, {"a": None, "b": 2}
    merge(stored, incoming)
    assert (stored, incoming) == ({"a": 1}, {"a": None, "b": 2})


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (1, True, False),
        (0, False, False),
        (1, 1.0, True),
        ("1", 1, False),
        ([1, {"a": 1}], [1, {"a": True}], False),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": None}, {}, False),
    ],
)
def test_values_are_equal_if_their_json_is(one: object, other: object, equal: bool) -> None:
    assert equal_as_json(one, other) is equal
    assert equal_as_json(other, one) is equal


def nested(depth: int) -> Any:
    return {"a": nested(depth - 1)} if depth else 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"a": "x\0y"}, "NUL"),
        ({"a\0": 1}, "NUL"),
        ({"a": [{"b": "\0"}]}, "NUL"),
        ({"a": 1e300}, "number"),
        ({"a": -1e-300}, "number"),
        ({"a": 10**40}, "number"),
        (nested(MAX_DEPTH + 1), "nested"),
        (nested(400), "nested"),
        ({"a": "x" * MAX_BYTES}, "bytes"),
    ],
)
def test_json_that_no_event_can_carry_is_rejected(data: dict[str, Any], reason: str) -> None:
    with pytest.raises(Rejected, match="Request validation failed") as rejection:
        check_data(data)
    assert rejection.value.errors[0].field == "data" and reason in rejection.value.errors[0].message


@pytest.mark.parametrize(
    "data",
    [
        {},
        nested(MAX_DEPTH),
        {"a": "the text \\u0000, spelled out"},
        {"card": "1234567890" * 5},
        {"big": 1e30, "small": 1e-30, "zero": 0.0, "no": False, "id": 2**63},
        {"a": [{}] * 100},
        {"a": "x" * (MAX_BYTES - 100)},
    ],
)
def test_all_other_json_is_accepted(data: dict[str, Any]) -> None:
    check_data(data)
