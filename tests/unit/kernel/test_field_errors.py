"""Messages of msgspec as field errors of the API."""

from typing import Annotated, Any

import msgspec
import pytest

from libs.kernel.field_errors import EMAIL, field_error


class Item(msgspec.Struct):
    name: str
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Sample(msgspec.Struct):
    items: list[Item] = []
    labels: dict[str, str] = {}
    email: Annotated[str, msgspec.Meta(pattern=EMAIL)] = "ada@example.com"


def message(value: Any) -> str:
    with pytest.raises(msgspec.ValidationError) as wrong:
        msgspec.convert(value, Sample)
    return str(wrong.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (7, ("", "Expected object, got int", "invalid_type")),
        ({"items": [{"name": "a"}, {"name": 7}]}, ("items.1.name", "Expected str, got int", "invalid_type")),
        ({"items": [{}]}, ("items.0.name", "Required", "required")),
        ({"items": [{"name": "a", "size": 0}]}, ("items.0.size", "Expected int >= 1", "too_small")),
        ({"labels": {"a": 7}}, ("labels", "Expected str, got int", "invalid_type")),
        ({"email": "nobody"}, ("email", "Invalid email", "invalid_string")),
    ],
)
def test_the_path_the_words_and_the_code_are_those_of_the_api(value: Any, expected: tuple[str, str, str]) -> None:
    error = field_error("", message(value))
    assert (error.field, error.message, error.code) == expected


def test_the_path_continues_that_of_the_value() -> None:
    assert field_error("config", message({"items": [{}]})).field == "config.items.0.name"
    assert field_error("config", message(7)).field == "config"


def test_a_given_code_wins() -> None:
    assert field_error("config", message({"items": [{"name": "a", "size": 0}]}), "invalid_type").code == "invalid_type"
