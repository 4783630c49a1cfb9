"""Events that can start a workflow: their names, and the context that they give an execution. Pure."""

from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import tag_of
from libs.schemas.base import Data, Event
from libs.schemas.contacts.contacts import ContactSubscribed, ContactUnsubscribed, EventTracked
from libs.schemas.delivery.emails import EmailSent
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailDelivered,
    EmailOpened,
)

TRIGGERS: tuple[type[Event], ...] = (
    EventTracked,
    ContactSubscribed,
    ContactUnsubscribed,
    EmailSent,
    EmailDelivered,
    EmailOpened,
    EmailClicked,
    EmailBounced,
    EmailComplained,
)

ALIASES = {
    "email.delivered": "email.delivery",
    "email.opened": "email.open",
    "email.clicked": "email.click",
    "email.bounced": "email.bounce",
    "email.complained": "email.complaint",
}


class TriggerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event about a contact, under the names by which workflows refer to it.

    Anybody may have written the `context` of one that is not `trusted`. `email` is empty if the event does not contain
    the address. `workflow_id` is set if the event is about a mail of that workflow: it does not start the workflow
    again, which could otherwise send mail in an endless loop.
    """

    names: tuple[str, ...]
    contact_id: UUID
    email: str
    context: Data
    trusted: bool = True
    workflow_id: UUID | None = None


def trigger_event_of(event: Any) -> TriggerEvent | None:
    """Return the trigger event for an event of `TRIGGERS`.

    Return None if a machine, such as a mail scanner, opened or clicked.
    """
    kind: type[Event] = type(event)
    match event:
        case EventTracked():
            return TriggerEvent(
                names=(event.name,),
                contact_id=event.contact_id,
                email=event.email,
                context=event.data,
                trusted=event.trusted,
            )
        case ContactSubscribed() | ContactUnsubscribed():
            return TriggerEvent(
                names=(tag_of(kind),), contact_id=event.contact_id, email=event.email, context=_context_of(event)
            )
        case EmailOpened(machine=True) | EmailClicked(machine=True):
            return None
        case _:
            return TriggerEvent(
                names=_names(tag_of(kind)),
                contact_id=event.contact_id,
                email="",
                context=_context_of(event),
                workflow_id=event.workflow_id,
            )


def _names(tag: str) -> tuple[str, ...]:
    return (tag, ALIASES[tag]) if tag in ALIASES else (tag,)


def _context_of(event: Event) -> Data:
    """Return the event's fields as the context of an execution."""
    fields: Data = msgspec.to_builtins(event)
    return {name: value for name, value in fields.items() if value is not None and name not in ("type", "contactId")}
