"""A segment: a name, and the condition that says who is in it. Pure."""

import re

from libs.schemas.contacts import CreateSegment, SegmentCreated
from services.contacts.condition import compiled
from services.contacts.refusals import invalid

MAX_NAME = 100
MAX_DESCRIPTION = 500


def decide(command: CreateSegment, existing: object | None) -> list[SegmentCreated]:
    """Create the segment; a repeat changes nothing. Raises Rejected for a bad name, description or condition."""
    if existing:
        return []
    name = command.name.strip()
    _check(name, command.description)
    compiled(command.condition)
    return [
        SegmentCreated(
            segment_id=command.segment_id,
            name=name,
            slug=slug_of(name),
            condition=command.condition,
            description=command.description,
            track_membership=command.track_membership,
        )
    ]


def slug_of(name: str) -> str:
    """The name as it stands in event names: `Trial users!` is `trial-users`."""
    kept = re.sub(r"[^\w\s-]", "", name.lower().strip())
    return re.sub(r"-+", "-", re.sub(r"\s+", "-", kept))


def _check(name: str, description: str | None) -> None:
    if not name:
        raise invalid("name", "Name is required", "too_small")
    if len(name) > MAX_NAME:
        raise invalid("name", f"Name must be at most {MAX_NAME} characters", "too_big")
    if "\0" in name or "\0" in (description or ""):
        raise invalid("name", "Name and description must not contain a NUL character", "invalid_string")
    if not slug_of(name).strip("-"):
        raise invalid("name", "Name must have a letter or a digit", "invalid_string")
    if len(description or "") > MAX_DESCRIPTION:
        raise invalid("description", f"Description must be at most {MAX_DESCRIPTION} characters", "too_big")
