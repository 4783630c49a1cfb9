"""Paths into the data of contacts and events."""

from typing import Any

import pytest

from libs.kernel.data_paths import value_at, with_dotted_keys


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("order.total", 5),
        ("order.items.0.price", 2),
        ("order.items.9.price", None),
        ("order.items.-1.price", 2),
        ("order.items.x", None),
        ("order", {"total": 5, "items": [{"price": 2}]}),
        ("nothing.at.all", None),
        ("order.total.x", None),
    ],
)
def test_paths_lead_into_objects_and_lists(path: str, value: Any) -> None:
    assert value_at({"order": {"total": 5, "items": [{"price": 2}]}}, path) == value


def test_a_key_that_is_the_whole_path_comes_before_what_the_path_leads_to() -> None:
    assert value_at({"utm.source": "ads"}, "utm.source") == "ads"
    assert value_at({"utm.source": "ads", "utm": {"source": "mail"}}, "utm.source") == "ads"
    assert value_at({"utm.medium": "ads", "utm": {"source": "mail"}}, "utm.source") == "mail"


@pytest.mark.parametrize(
    ("data", "reachable"),
    [
        ({"plan": "pro"}, {"plan": "pro"}),
        ({"utm.source": "ads"}, {"utm.source": "ads", "utm": {"source": "ads"}}),
        ({"a.b.c": 1, "a": {"b": {"d": 2}}}, {"a.b.c": 1, "a": {"b": {"c": 1, "d": 2}}}),
        ({"utm.source": "ads", "utm": {"source": "x"}}, {"utm.source": "ads", "utm": {"source": "ads"}}),
        ({"plan.name": "Pro", "plan": "pro"}, {"plan.name": "Pro", "plan": "pro"}),
    ],
)
def test_a_template_finds_dotted_keys_at_their_path(data: dict[str, Any], reachable: dict[str, Any]) -> None:
    assert with_dotted_keys(data) == reachable


def test_the_data_itself_is_not_changed() -> None:
    data = {"utm.source": "ads", "utm": {"medium": "mail"}}
    assert with_dotted_keys(data)["utm"] == {"medium": "mail", "source": "ads"}
    assert data == {"utm.source": "ads", "utm": {"medium": "mail"}}
