"""The decider of contacts: a person with one address, a subscription and data, and the events tracked about them.
Pure."""

from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.conditions.values import equal_as_json
from libs.kernel.passing_values import unwrapped
from libs.kernel.rejection import invalid
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import (
    ContactCreated,
    ContactDeleted,
    ContactSubscribed,
    ContactUnsubscribed,
    ContactUpdated,
    DeleteContact,
    EventTracked,
    SaveContact,
    SubscribeContact,
    TrackEvent,
    UnsubscribeContact,
    UpdateContact,
)
from services.contacts.contacts.address import parse
from services.contacts.contacts.data import additions, check_data, merge
from services.contacts.contacts.errors import address_taken, contact_exists, contact_not_found

Command: TypeAlias = SaveContact | UpdateContact | SubscribeContact | UnsubscribeContact | DeleteContact | TrackEvent
Fact: TypeAlias = (
    ContactCreated | ContactUpdated | ContactSubscribed | ContactUnsubscribed | ContactDeleted | EventTracked
)

MAX_EVENT_NAME = 255
MAX_UNTRUSTED = 100
"""How many values a contact may have from public keys."""

RESERVED = "Cannot track reserved system event"
RESERVED_EVENTS = ("contact.subscribed", "contact.unsubscribed")


class Contact(msgspec.Struct, frozen=True):
    """`id` is None for a contact that does not exist, `snoozed_until` for one that has not paused its mails.

    `untrusted` names the keys of `data` whose values came from a public key.
    """

    id: UUID | None = None
    email: str = ""
    subscribed: bool = False
    data: Data = {}
    snoozed_until: str | None = None
    untrusted: list[str] = []


INITIAL = Contact()


def decide(command: Command, contact: Contact, *, taken: bool = False) -> list[Fact]:
    """Return the events that the command causes; none if the contact is already as wanted. Raise Rejected if it is not
    allowed.

    `contact` is the one with the command's id or, for an upsert, with its address. `taken` says that another contact
    has the address that the command would give to this one.
    """
    match command:
        case TrackEvent(trusted=False):
            check_event_name(command.event)
            return [*_added(command, contact), _tracked(command, contact)]
        case TrackEvent():
            check_event_name(command.event)
            return [*_saved(command, contact, default=True), _tracked(command, contact)]
        case SaveContact(only_new=True) if contact.id is not None:
            raise contact_exists()
        case SaveContact():
            return _saved(command, contact, default=command.default_subscribed)
        case _ if contact.id is None:
            raise contact_not_found()
        case UpdateContact():
            return _updated(command, contact, taken)
        case SubscribeContact():
            return _subscription_changed(contact, True)
        case UnsubscribeContact():
            return _unsubscribed(contact, command)
        case DeleteContact():
            return [ContactDeleted(contact_id=contact.id)]
        case _:
            assert_never(command)


def evolve(contact: Contact, event: Fact) -> Contact:
    match event:
        case ContactCreated():
            return Contact(
                id=event.contact_id,
                email=event.email,
                subscribed=event.subscribed,
                data=event.data,
                untrusted=event.untrusted,
            )
        case ContactUpdated():
            return replace(contact, email=event.email, data=event.data, untrusted=event.untrusted)
        case ContactSubscribed():
            return replace(contact, subscribed=True, snoozed_until=None)
        case ContactUnsubscribed():
            return replace(contact, subscribed=False, snoozed_until=event.until)
        case ContactDeleted():
            return INITIAL
        case EventTracked():
            return contact
        case _:
            assert_never(event)


def _saved(command: SaveContact | TrackEvent, contact: Contact, *, default: bool) -> list[Fact]:
    """Create the contact or merge into it. An absent `subscribed` never changes the subscription."""
    email = parse(command.email)
    check_data(command.data)
    data = merge(contact.data, command.data)
    if contact.id is None:
        subscribed = default if command.subscribed is None else command.subscribed
        return [ContactCreated(contact_id=command.contact_id, email=email, subscribed=subscribed, data=data)]
    changed = _changed(contact, contact.email, data, _still_untrusted(contact, command.data))
    return [*changed, *_subscription_changed(contact, command.subscribed)]


def _added(command: TrackEvent, contact: Contact) -> list[Fact]:
    """Create the contact or add data that it lacks. Who has no secret key changes nothing that exists, and is told
    nothing about it: what cannot be added is left out."""
    email = parse(command.email)
    check_data(command.data)
    new = additions(contact.data, command.data, command.writable_fields, MAX_UNTRUSTED - len(contact.untrusted))
    data, untrusted = contact.data | new, [*contact.untrusted, *new]
    if contact.id is None:
        subscribed = command.subscribed is not False
        return [
            ContactCreated(
                contact_id=command.contact_id, email=email, subscribed=subscribed, data=data, untrusted=untrusted
            )
        ]
    return _changed(contact, contact.email, data, untrusted)


def _still_untrusted(contact: Contact, written: Data | None) -> list[str]:
    """Return which data is untrusted after a trusted caller has written this. None stands for all data."""
    if not contact.untrusted or written is None:
        return []
    trusted = merge({}, written)
    return [key for key in contact.untrusted if key not in trusted]


def _updated(command: UpdateContact, contact: Contact, taken: bool) -> list[Fact]:
    email = contact.email if command.email is None else parse(command.email)
    if taken and email != contact.email:
        raise address_taken()
    written = {} if command.data is msgspec.UNSET else command.data
    changed = _changed(contact, email, _data_after(command, contact), _still_untrusted(contact, written))
    return [*changed, *_subscription_changed(replace(contact, email=email), command.subscribed)]


def _data_after(command: UpdateContact, contact: Contact) -> Data:
    if command.data is msgspec.UNSET:
        return contact.data
    if command.data is None:
        return {}
    check_data(command.data)
    return merge(contact.data, command.data)


def _changed(contact: Contact, email: str, data: Data, untrusted: list[str]) -> list[Fact]:
    assert contact.id is not None
    untrusted = [key for key in untrusted if key in data]
    if email == contact.email and untrusted == contact.untrusted and equal_as_json(data, contact.data):
        return []
    check_data(data)
    return [ContactUpdated(contact_id=contact.id, email=email, data=data, untrusted=untrusted)]


def _subscription_changed(contact: Contact, subscribed: bool | None) -> list[Fact]:
    assert contact.id is not None
    if subscribed is None:
        return []
    if not subscribed:
        return _unsubscribed(contact, UnsubscribeContact(contact_id=contact.id, reason="api"))
    return [] if contact.subscribed else [ContactSubscribed(contact_id=contact.id, email=contact.email)]


def _unsubscribed(contact: Contact, command: UnsubscribeContact) -> list[Fact]:
    """Unsubscribe, or change a pause. A contact that unsubscribed for good cannot get a pause, which would end."""
    assert contact.id is not None
    if not contact.subscribed and contact.snoozed_until in (None, command.until):
        return []
    return [
        ContactUnsubscribed(
            contact_id=contact.id,
            email=contact.email,
            reason=command.reason,
            email_id=command.email_id,
            until=command.until,
        )
    ]


def _tracked(command: TrackEvent, contact: Contact) -> EventTracked:
    return EventTracked(
        event_id=command.event_id,
        contact_id=contact.id or command.contact_id,
        email=parse(command.email),
        name=command.event,
        data=unwrapped(command.data),
        trusted=command.trusted,
    )


def check_event_name(name: str) -> None:
    """Raise Rejected for a name that callers may not track or delete."""
    if not name:
        raise invalid("event", "Event name is required", "too_small")
    if len(name) > MAX_EVENT_NAME or "\0" in name:
        raise invalid("event", f"Event name must have at most {MAX_EVENT_NAME} characters and no NUL", "too_big")
    if _is_reserved(name):
        raise invalid("event", f"{RESERVED}: {name}", "reserved_event", summary=RESERVED)


def _is_reserved(name: str) -> bool:
    """Return whether only the platform itself may track events of this name."""
    of_segment = name.startswith("segment.") and name.endswith((".entry", ".exit"))
    return name in RESERVED_EVENTS or name.startswith("email.") or of_segment
