"""One project's calls to the contacts service, as the gateway makes them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from libs.kernel.instants import iso
from libs.runtime.clock import uuid7
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import facts, tell
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import (
    Condition,
    ContactPage,
    ContactView,
    DeleteContact,
    DeletedContact,
    Filter,
    GetContact,
    Group,
    ListContacts,
    SaveContact,
    SavedContact,
    SubscribeContact,
    TrackedEvent,
    TrackEvent,
    UnsubscribeContact,
    UpdateContact,
)
from libs.schemas.contacts.segments import CreateSegment, SegmentView


class Caller:
    def __init__(self, runtime: Runtime, project: UUID) -> None:
        self.runtime = runtime
        self.client = runtime.client
        self.project = project

    async def save(self, email: str = "ann@example.com", **fields: Any) -> SavedContact:
        command = SaveContact(contact_id=uuid7(), email=email, **fields)
        return await tell(self.client, self.project, command, SavedContact)

    async def update(self, contact_id: UUID, **fields: Any) -> ContactView:
        return await tell(self.client, self.project, UpdateContact(contact_id=contact_id, **fields), ContactView)

    async def subscribe(self, contact_id: UUID) -> ContactView:
        return await tell(self.client, self.project, SubscribeContact(contact_id=contact_id), ContactView)

    async def unsubscribe(self, contact_id: UUID, email_id: UUID | None = None) -> ContactView:
        command = UnsubscribeContact(contact_id=contact_id, reason="link", email_id=email_id)
        return await tell(self.client, self.project, command, ContactView)

    async def pause(self, contact_id: UUID, until: datetime) -> ContactView:
        command = UnsubscribeContact(contact_id=contact_id, reason="snooze", until=iso(until))
        return await tell(self.client, self.project, command, ContactView)

    async def delete(self, contact_id: UUID) -> DeletedContact:
        return await tell(self.client, self.project, DeleteContact(contact_id=contact_id), DeletedContact)

    async def track(self, event: str, email: str = "ann@example.com", **fields: Any) -> TrackedEvent:
        command = TrackEvent(contact_id=uuid7(), event_id=uuid7(), email=email, event=event, **fields)
        return await tell(self.client, self.project, command, TrackedEvent)

    async def get(self, contact_id: UUID) -> ContactView:
        return await self.runtime.ask(self.project, GetContact(contact_id=contact_id), ContactView)

    async def page(self, **query: Any) -> ContactPage:
        return await self.runtime.ask(self.project, ListContacts(**query), ContactPage)

    async def segment(self, condition: Condition, name: str = "Some") -> SegmentView:
        command = CreateSegment(segment_id=uuid7(), name=name, condition=condition)
        return await tell(self.client, self.project, command, SegmentView)

    async def event_types(self) -> list[str]:
        """Return the types of the project's events, in order."""
        return [name for name, _ in await facts(self.runtime, self.project)]

    async def events_of(self, name: str) -> list[Data]:
        return [event for type_, event in await facts(self.runtime, self.project) if type_ == name]

    async def tracked_counts(self, contact_id: UUID) -> dict[str, int]:
        """Return how often each event was tracked for the contact."""
        rows = await self.runtime.pool.fetch(
            "select name, count from contact_event where project = $1 and contact_id = $2", self.project, contact_id
        )
        return {row["name"]: row["count"] for row in rows}


def where(field: str, operator: str, value: Any = None, unit: Any = None) -> Filter:
    return Filter(field=field, operator=operator, value=value, unit=unit)


def all_of(*filters: Filter) -> Condition:
    return Condition(logic="AND", groups=[Group(filters=list(filters))])
