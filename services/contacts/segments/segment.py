"""A segment: a name, and the condition or the list that says who is in it. Pure."""

import re

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import Rejected, invalid
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
from services.contacts.contacts.errors import segment_not_found
from services.contacts.segments.condition import check

MAX_NAME = 100
MAX_DESCRIPTION = 500


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A segment as it is decided about."""

    kind: SegmentType
    name: str
    condition: Condition | None
    description: str | None
    track_membership: bool


Command = CreateSegment | UpdateSegment | DeleteSegment
Fact = SegmentCreated | SegmentUpdated | SegmentDeleted


def decide(command: Command, segment: Segment | None) -> list[Fact]:
    """What follows from the command; nothing if it is already so. Raises Rejected for no.

    Whether the segments that a condition names exist is not decided here.
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
    """The name as it stands in event names: `Trial users!` is `trial-users`."""
    kept = re.sub(r"[^\w\s-]", "", name.lower().strip())
    return re.sub(r"-+", "-", re.sub(r"\s+", "-", kept))


def no_tracking() -> Rejected:
    return Rejected("SEGMENT_NOT_TRACKED", "Segment does not have membership tracking enabled")


def no_list(what: str) -> Rejected:
    """`what` cannot be done, because the condition says who is in the segment."""
    return Rejected("SEGMENT_NOT_STATIC", f"Can only {what} STATIC segments")


def in_use(by: int) -> Rejected:
    message = f"Cannot delete segment: it is currently used in the conditions of {by} other segment(s)."
    return Rejected("SEGMENT_IN_USE", message)


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
        raise invalid("name", "Name must have a letter or a digit", "invalid_string")
    return name


def _check_description(description: str | None) -> None:
    if len(description or "") > MAX_DESCRIPTION:
        raise invalid("description", f"Description must be at most {MAX_DESCRIPTION} characters", "too_big")
    if "\0" in (description or ""):
        raise invalid("description", "Description must not contain a NUL character", "invalid_string")


def _check_condition(kind: SegmentType, condition: Condition | None) -> None:
    if kind == "STATIC":
        if condition is not None:
            raise invalid("condition", "A static segment has a list and no condition", "unexpected")
        return
    if condition is None:
        raise invalid("condition", "Condition is required for DYNAMIC segments", "required")
    check(condition)
