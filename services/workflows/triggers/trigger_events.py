"""What can start a workflow, under which names, and what it tells an execution. Pure."""

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


class Trigger(msgspec.Struct, frozen=True, kw_only=True):
    """An event that happened to a contact. `email` is empty where the event does not tell the address.

    `workflow_id` is set if the event is about a mail of that workflow: it does not start the workflow again, or two
    lines of configuration would be a machine that mails itself for ever.
    """

    names: tuple[str, ...]
    contact_id: UUID
    email: str
    context: Data
    workflow_id: UUID | None = None


def trigger_of(event: Any) -> Trigger | None:
    """The trigger in an event of `TRIGGERS`. None if a machine, such as a mail scanner, opened or clicked."""
    kind: type[Event] = type(event)
    match event:
        case EventTracked():
            return Trigger(names=(event.name,), contact_id=event.contact_id, email=event.email, context=event.data)
        case ContactSubscribed() | ContactUnsubscribed():
            return Trigger(names=(tag_of(kind),), contact_id=event.contact_id, email=event.email, context=_told(event))
        case EmailOpened(machine=True) | EmailClicked(machine=True):
            return None
        case _:
            return Trigger(
                names=_names(tag_of(kind)),
                contact_id=event.contact_id,
                email="",
                context=_told(event),
                workflow_id=event.workflow_id,
            )


def _names(tag: str) -> tuple[str, ...]:
    return (tag, ALIASES[tag]) if tag in ALIASES else (tag,)


def _told(event: Event) -> Data:
    """The event's fields as the context of an execution."""
    fields: Data = msgspec.to_builtins(event)
    return {name: value for name, value in fields.items() if value is not None and name not in ("type", "contactId")}
