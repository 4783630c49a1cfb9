"""The language of conditions: the fields, their operators, and what each operator requires."""

from typing import Literal, TypeAlias
from uuid import UUID

import msgspec

ORDER = frozenset({"greaterThan", "lessThan", "greaterThanOrEqual", "lessThanOrEqual"})
EQUALITY = frozenset({"equals", "notEquals"})
SUBSTRING = frozenset({"contains", "notContains"})
AFFIX = frozenset({"startsWith", "endsWith"})
CHOICE = frozenset({"in", "notIn"})
RANGE = frozenset({"between"})
RELATIVE = frozenset({"within", "olderThan"})
PRESENCE = frozenset({"exists", "notExists"})
HISTORY = frozenset({"triggered", "notTriggered", "triggeredWithin", "notTriggeredWithin", "triggeredOlderThan"})
MEMBERSHIP = frozenset({"memberOfSegment", "notMemberOfSegment"})
OPERATORS = ORDER | EQUALITY | SUBSTRING | AFFIX | CHOICE | RANGE | RELATIVE | PRESENCE | HISTORY | MEMBERSHIP

TEXTS = EQUALITY | SUBSTRING | AFFIX | CHOICE
TIMES = EQUALITY | ORDER | RANGE | RELATIVE
VALUES = TIMES | TEXTS | PRESENCE
NEED_UNIT = RELATIVE | {"triggeredWithin", "notTriggeredWithin", "triggeredOlderThan"}
NEED_VALUE = ORDER | RANGE | TEXTS | NEED_UNIT

SECONDS = {"minutes": 60, "hours": 3600, "days": 86400, "weeks": 7 * 86400, "months": 30 * 86400}
MAX_SPAN_SECONDS = 100 * 366 * SECONDS["days"]
MAX_DEPTH = 5
MAX_FILTERS = 50
MAX_CHOICES = 100
"""The most values that a filter with `in` or `notIn` lists."""

ACTIVITIES = {
    "sent": "sent",
    "delivered": "delivered",
    "delivery": "delivered",
    "opened": "opened",
    "open": "opened",
    "clicked": "clicked",
    "click": "clicked",
    "bounced": "bounced",
    "bounce": "bounced",
    "complained": "complained",
    "complaint": "complained",
}
"""The activities of a contact's mail, by all their names."""

Scope: TypeAlias = Literal["email", "subscribed", "createdAt", "updatedAt", "data", "event", "activity", "segment"]


class Field(msgspec.Struct, frozen=True):
    """The subject of a filter. `name` completes the scope: a path, the name of an event, the id of a segment."""

    scope: Scope
    operators: frozenset[str]
    name: str = ""

    @property
    def path(self) -> list[str]:
        return self.name.split(".")

    @property
    def segment_id(self) -> UUID:
        return UUID(self.name)


CONTACT_FIELDS = {
    "email": Field("email", TEXTS),
    "subscribed": Field("subscribed", EQUALITY),
    "createdAt": Field("createdAt", TIMES),
    "updatedAt": Field("updatedAt", TIMES),
}


def field_of(text: str) -> Field | None:
    """Return the field of a contact that a filter names, or None if contacts have no such field."""
    if own := CONTACT_FIELDS.get(text):
        return own
    scope, _, name = text.partition(".")
    match scope:
        case "data" if all(name.split(".")):
            return Field("data", VALUES, name)
        case "event" if name:
            return Field("event", HISTORY, name)
        case "email" if activity := ACTIVITIES.get(name):
            return Field("activity", HISTORY, activity)
        case "segment" if _is_id(name):
            return Field("segment", MEMBERSHIP, name)
    return None


def _is_id(text: str) -> bool:
    try:
        return bool(UUID(text))
    except ValueError:
        return False
