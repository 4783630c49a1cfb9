"""Creating segments."""

from typing import Any
from uuid import UUID

import pytest

from libs.runtime.rejection import Rejected
from libs.schemas.contacts import Condition, CreateSegment, Filter, Group, SegmentCreated
from services.contacts.segment import decide, slug_of

ID = UUID(int=1)
PRO = Condition(logic="AND", groups=[Group(filters=[Filter(field="data.plan", operator="equals", value="pro")])])


def create(**changes: Any) -> CreateSegment:
    return CreateSegment(**{"segment_id": ID, "name": "Trial users", "condition": PRO, **changes})


def test_a_segment_gets_the_slug_of_its_name() -> None:
    assert decide(create(name=" Trial users! "), None) == [
        SegmentCreated(segment_id=ID, name="Trial users!", slug="trial-users", condition=PRO)
    ]


def test_creating_it_again_changes_nothing() -> None:
    assert decide(create(), object()) == []


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("VIP", "vip"),
        ("a  b\tc", "a-b-c"),
        ("a - b", "a-b"),
        ("50% off!", "50-off"),
        ("Zoë's", "zoës"),
        ("北京", "北京"),
    ],
)
def test_slugs(name: str, slug: str) -> None:
    assert slug_of(name) == slug


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "  "}, "name"),
        ({"name": "!!!"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\0"}, "name"),
        ({"description": "x" * 501}, "description"),
        ({"condition": Condition(logic="AND", groups=[])}, "condition.groups"),
    ],
)
def test_what_cannot_be_a_segment_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as no:
        decide(create(**changes), None)
    assert no.value.code == "VALIDATION_ERROR" and no.value.errors[0].field == field
