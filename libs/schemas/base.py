"""What every message on the bus has in common.

Messages are immutable and keyword-only. On the wire they are JSON objects with camelCase members; `type` is the tag
that names the message: an order for a command (`save-contact`), a past fact for an event (`contact.created`).
"""

from typing import Annotated, Any, ClassVar

import msgspec

Instant = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""ISO 8601 in UTC with milliseconds and `Z`, as every answer of the API spells time."""

Data = dict[str, Any]
"""A JSON object whose keys belong to the caller."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", rename="camel"):
    """Anything that crosses the bus."""


class Command(Message, frozen=True, kw_only=True):
    """An order to one service; answered by `Accepted` or `Refused`."""

    service: ClassVar[str]


class Event(Message, frozen=True, kw_only=True):
    """A fact in some service's log. A published event never changes meaning: it gains optional fields, or a new tag.

    `service` owns it; `stream` is the pattern of the stream (the aggregate) that it is appended to. `personal` names
    the members, as JSON has them, that tell something of the contact `contactId`: the log keeps them under the
    contact's own key, and in their place their defaults, or empty ones (see `libs.runtime.eventstore.encryption`).
    Where `people` names a list, they are members of each of its items. An event that `forgets` takes that key away.
    """

    service: ClassVar[str]
    stream: ClassVar[str]
    personal: ClassVar[tuple[str, ...]] = ()
    personal_list: ClassVar[str] = ""
    forgets: ClassVar[bool] = False


class Query(Message, frozen=True, kw_only=True):
    """A question to one service; it changes nothing."""

    service: ClassVar[str]


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a message or an answer, in the shape that the HTTP API shows."""


class FieldError(View, frozen=True, kw_only=True):
    """What is wrong with one field: `field` is a dotted path into the request body."""

    field: str
    message: str
    code: str


class Accepted(Message, tag="accepted", frozen=True, kw_only=True):
    """The command's events are committed, or the query is answered: `result` is its JSON."""

    result: msgspec.Raw


class Refused(Message, tag="refused", frozen=True, kw_only=True):
    """The answer is no, and nothing was changed. `code` is one of the API's error codes."""

    code: str
    message: str
    errors: list[FieldError] = []
    details: Data = {}


class Page(View, frozen=True, kw_only=True):
    """One page of a cursor-paged list; `total` is counted on the first page only and 0 on the others."""

    cursor: str | None = None
    has_more: bool = False
    total: int = 0
