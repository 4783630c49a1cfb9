"""Contacts in the shapes that the API shows."""

from datetime import datetime

import msgspec

from libs.kernel.instants import iso
from libs.schemas.contacts.contacts import ContactView, HistoryEntry
from services.contacts.contacts.contact import Contact
from services.contacts.contacts.history import RecordedEvent
from services.contacts.contacts.read_models.contact import ContactRow


def contact_view(contact: Contact, created_at: datetime, updated_at: datetime) -> ContactView:
    assert contact.id is not None
    return ContactView(
        id=contact.id,
        email=contact.email,
        subscribed=contact.subscribed,
        data=contact.data,
        created_at=iso(created_at),
        updated_at=iso(updated_at),
        snoozed_until=contact.snoozed_until or msgspec.UNSET,
    )


def view_of(row: ContactRow) -> ContactView:
    return contact_view(row.contact, row.created_at, row.updated_at)


def history_entry(recorded: RecordedEvent) -> HistoryEntry:
    return HistoryEntry(
        id=recorded.id,
        type_=recorded.kind,
        version=recorded.version,
        at=iso(recorded.at),
        actor=recorded.meta.actor,
        data=msgspec.to_builtins(recorded.event),
    )
