"""The base classes of all messages on the bus.

Messages are immutable and keyword-only. On the wire they are JSON objects with camelCase members; `type` is the tag of
the message: imperative for a command (`save-contact`), past tense for an event (`contact.created`).
"""

from typing import Annotated, Any, ClassVar

import msgspec

Instant = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""ISO 8601 in UTC with milliseconds and `Z`, as in every response of the API."""

Data = dict[str, Any]
"""A JSON object whose keys belong to the caller."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", rename="camel"):
    """A message on the bus."""


class Command(Message, frozen=True, kw_only=True):
    """A command to one service. The reply is `Accepted` or `Refused`."""

    service: ClassVar[str]


class Event(Message, frozen=True, kw_only=True):
    """An event in a service's log. A published event never changes its meaning: it gets optional fields or a new tag.

    `service` is its owner; `stream` is the pattern of the stream (the aggregate) it is appended to. `personal` names
    the members (as in JSON) with personal data of the contact `contactId`: the log stores them encrypted with the
    contact's key, and defaults or empty values in their place (see `libs.runtime.eventstore.encryption`). If
    `personal_list` names a list, they are members of each of its items. An event that `forgets` erases the key.
    """

    service: ClassVar[str]
    stream: ClassVar[str]
    personal: ClassVar[tuple[str, ...]] = ()
    personal_list: ClassVar[str] = ""
    forgets: ClassVar[bool] = False


class Query(Message, frozen=True, kw_only=True):
    """A query to one service. It changes nothing."""

    service: ClassVar[str]


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a message or a reply, in the shape of the HTTP API."""


class FieldError(View, frozen=True, kw_only=True):
    """The error of one field. `field` is a dotted path into the request body."""

    field: str
    message: str
    code: str


class Accepted(Message, tag="accepted", frozen=True, kw_only=True):
    """The reply after the command's events were committed, or to a query. `result` is its result as JSON."""

    result: msgspec.Raw


class Refused(Message, tag="refused", frozen=True, kw_only=True):
    """The reply to a rejected command or query; nothing was changed. `code` is one of the API's error codes."""

    code: str
    message: str
    errors: list[FieldError] = []
    details: Data = {}


class Page(View, frozen=True, kw_only=True):
    """One page of a list with cursors. `total` is counted for the first page only, and 0 on the others."""

    cursor: str | None = None
    has_more: bool = False
    total: int = 0
