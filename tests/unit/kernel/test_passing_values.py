"""Values that are only passing through."""

from typing import Any

import pytest

from libs.kernel.passing_values import is_passing, unwrapped


@pytest.mark.parametrize(
    ("given", "value", "passing"),
    [
        ("pro", "pro", False),
        ({"value": 42, "persistent": False}, 42, True),
        ({"value": 42, "persistent": True}, 42, False),
        ({"value": None, "persistent": False}, None, True),
        ({"value": 42}, {"value": 42}, False),
        ({"value": 42, "persistent": "no"}, {"value": 42, "persistent": "no"}, False),
        ([{"value": 1, "persistent": False}], [{"value": 1, "persistent": False}], False),
    ],
)
def test_a_value_is_shown_without_its_wrapping(given: Any, value: Any, passing: bool) -> None:
    assert unwrapped({"plan": given}) == {"plan": value}
    assert is_passing(given) is passing


def test_values_that_are_not_stored_still_fill_the_mail() -> None:
    data = {"code": {"value": 42, "persistent": False}, "plan": {"value": "pro", "persistent": True}, "name": "Ada"}
    assert unwrapped(data) == {"code": 42, "plan": "pro", "name": "Ada"}
    assert unwrapped({"odd": {"value": 1}}) == {"odd": {"value": 1}}
