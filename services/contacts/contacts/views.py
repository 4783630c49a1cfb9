"""Contacts and segments in the shapes that the API shows."""

from datetime import datetime

import msgspec

from libs.kernel.instants import iso
from libs.schemas.contacts.contacts import ContactView, HistoryEntry
from libs.schemas.contacts.segments import SegmentView
from services.contacts.contacts.contact import Contact
from services.contacts.contacts.history import Recorded
from services.contacts.contacts.read_models.contact import Row
from services.contacts.segments.read_models import segment


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


def view_of(row: Row) -> ContactView:
    return contact_view(row.contact, row.created_at, row.updated_at)


def history_entry(recorded: Recorded) -> HistoryEntry:
    return HistoryEntry(
        id=recorded.id,
        type_=recorded.kind,
        version=recorded.version,
        at=iso(recorded.at),
        actor=recorded.meta.actor,
        data=msgspec.to_builtins(recorded.fact),
    )


def segment_view(row: segment.Row, member_count: int) -> SegmentView:
    return SegmentView(
        id=row.id,
        name=row.name,
        slug=row.slug,
        description=row.description,
        type_=row.kind,
        condition=row.condition,
        track_membership=row.track_membership,
        member_count=member_count,
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
    )
