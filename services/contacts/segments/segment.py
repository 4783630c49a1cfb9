"""The decider of segments: a name, and the condition or the list that determines the members. Pure."""

import re

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import invalid
from libs.schemas.contacts.contacts import Condition
from libs.schemas.contacts.segments import (
    CreateSegment,
    DeleteSegment,
    SegmentCreated,
    SegmentDeleted,
    SegmentType,
    SegmentUpdated,
    UpdateSegment,
)
from services.contacts.segments.condition import check_condition
from services.contacts.segments.errors import segment_not_found

MAX_NAME = 100
MAX_DESCRIPTION = 500


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    kind: SegmentType
    name: str
    condition: Condition | None
    description: str | None
    track_membership: bool


Command = CreateSegment | UpdateSegment | DeleteSegment
Fact = SegmentCreated | SegmentUpdated | SegmentDeleted


def decide(command: Command, segment: Segment | None) -> list[Fact]:
    """Return the events that the command causes; none if the segment is already as wanted. Raise Rejected if it is not
    allowed.

    Whether the segments that a condition names exist is checked elsewhere.
    """
    match command:
        case CreateSegment():
            return [] if segment else [_created(command)]
        case _ if segment is None:
            raise segment_not_found()
        case UpdateSegment():
            return _updated(command, segment)
        case DeleteSegment():
            return [SegmentDeleted(segment_id=command.segment_id)]


def slug_of(name: str) -> str:
    """Return the name as event names contain it: `Trial users!` becomes `trial-users`."""
    kept = re.sub(r"[^\w\s-]", "", name.lower().strip())
    return re.sub(r"-+", "-", re.sub(r"\s+", "-", kept))


def _created(command: CreateSegment) -> SegmentCreated:
    name = _name(command.name)
    _check_description(command.description)
    _check_condition(command.kind, command.condition)
    return SegmentCreated(
        segment_id=command.segment_id,
        name=name,
        slug=slug_of(name),
        condition=command.condition,
        description=command.description,
        track_membership=command.track_membership,
        kind=command.kind,
    )


def _updated(command: UpdateSegment, segment: Segment) -> list[Fact]:
    after = segment
    if command.name is not None:
        after = replace(after, name=_name(command.name))
    if command.description is not msgspec.UNSET:
        _check_description(command.description)
        after = replace(after, description=command.description)
    if command.condition is not None:
        _check_condition(segment.kind, command.condition)
        after = replace(after, condition=command.condition)
    if command.track_membership is not None:
        after = replace(after, track_membership=command.track_membership)
    return [] if after == segment else [_as_updated(command, after)]


def _as_updated(command: UpdateSegment, after: Segment) -> SegmentUpdated:
    return SegmentUpdated(
        segment_id=command.segment_id,
        name=after.name,
        condition=after.condition,
        description=after.description,
        track_membership=after.track_membership,
    )


def _name(given: str) -> str:
    name = given.strip()
    if not name:
        raise invalid("name", "Name is required", "too_small")
    if len(name) > MAX_NAME:
        raise invalid("name", f"Name must be at most {MAX_NAME} characters", "too_big")
    if "\0" in name:
        raise invalid("name", "Name must not contain a NUL character", "invalid_string")
    if not slug_of(name).strip("-"):
        raise invalid("name", "Name must contain a letter or a digit", "invalid_string")
    return name


def _check_description(description: str | None) -> None:
    if len(description or "") > MAX_DESCRIPTION:
        raise invalid("description", f"Description must be at most {MAX_DESCRIPTION} characters", "too_big")
    if "\0" in (description or ""):
        raise invalid("description", "Description must not contain a NUL character", "invalid_string")


def _check_condition(kind: SegmentType, condition: Condition | None) -> None:
    if kind == "STATIC":
        if condition is not None:
            raise invalid("condition", "Condition is not allowed for STATIC segments", "unexpected")
        return
    if condition is None:
        raise invalid("condition", "Condition is required for DYNAMIC segments", "required")
    check_condition(condition)
