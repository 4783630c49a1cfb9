"""The decider of segments."""

from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.contacts.contacts import Condition, Filter, Group
from libs.schemas.contacts.segments import (
    CreateSegment,
    DeleteSegment,
    SegmentCreated,
    SegmentDeleted,
    SegmentUpdated,
    UpdateSegment,
)
from services.contacts.segments.segment import Segment, decide, slug_of

ID = UUID(int=1)
PRO = Condition(logic="AND", groups=[Group(filters=[Filter(field="data.plan", operator="equals", value="pro")])])


EXISTING = Segment(kind="DYNAMIC", name="Trial users", condition=PRO, description=None, track_membership=False)
LIST = replace(EXISTING, kind="STATIC", condition=None)


def create(**changes: Any) -> CreateSegment:
    return CreateSegment(**{"segment_id": ID, "name": "Trial users", "condition": PRO, **changes})


def test_a_segment_gets_the_slug_of_its_name() -> None:
    assert decide(create(name=" Trial users! "), None) == [
        SegmentCreated(segment_id=ID, name="Trial users!", slug="trial-users", condition=PRO)
    ]


def test_creating_a_segment_again_changes_nothing() -> None:
    assert decide(create(), EXISTING) == []


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
        ({"description": "a\0"}, "description"),
        ({"condition": Condition(logic="AND", groups=[])}, "condition.groups"),
        ({"condition": None}, "condition"),
        ({"kind": "STATIC"}, "condition"),
    ],
)
def test_invalid_segments_are_rejected(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Rejected) as rejection:
        decide(create(**changes), None)
    assert rejection.value.code == "VALIDATION_ERROR" and rejection.value.errors[0].field == field


def test_a_static_segment_has_no_condition() -> None:
    (created,) = decide(create(kind="STATIC", condition=None), None)
    assert isinstance(created, SegmentCreated) and (created.kind, created.condition) == ("STATIC", None)


def update(**changes: Any) -> UpdateSegment:
    return UpdateSegment(segment_id=ID, **changes)


def test_an_update_carries_the_whole_segment() -> None:
    free = Condition(logic="AND", groups=[Group(filters=[Filter(field="data.plan", operator="notExists")])])
    assert decide(update(name="Others", condition=free, description="x", track_membership=True), EXISTING) == [
        SegmentUpdated(segment_id=ID, name="Others", condition=free, description="x", track_membership=True)
    ]


def test_absent_fields_stay_and_a_description_can_be_cleared() -> None:
    described = replace(EXISTING, description="x")
    (changed,) = decide(update(description=None), described)
    assert changed == SegmentUpdated(segment_id=ID, name="Trial users", condition=PRO)
    assert decide(update(), described) == decide(update(name="Trial users", condition=PRO), described) == []


def test_a_static_segment_rejects_a_condition() -> None:
    with pytest.raises(Rejected) as rejection:
        decide(update(condition=PRO), LIST)
    assert rejection.value.errors[0].field == "condition"


def test_a_segment_is_deleted_once() -> None:
    command = DeleteSegment(segment_id=ID)
    assert decide(command, EXISTING) == [SegmentDeleted(segment_id=ID)]
    with pytest.raises(Rejected, match="Segment not found"):
        decide(command, None)
