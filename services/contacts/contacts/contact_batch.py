"""The contacts of a batch of commands, by id and by address, in the state that the commands handled so far left them.

Some commands name a contact by address and others by id. Looking both up in one identity map keeps them in order.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce
from uuid import UUID

import msgspec
from msgspec.structs import replace

from services.contacts.contacts.contact import INITIAL, Contact, Fact, evolve


class ContactState(msgspec.Struct, frozen=True):
    """A contact with its times, which no decision needs. They are None while it does not exist."""

    contact: Contact = INITIAL
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def after(self, events: Sequence[Fact], now: datetime) -> "ContactState":
        contact = reduce(evolve, events, self.contact)
        if contact is self.contact:
            return self
        return replace(self, contact=contact, created_at=self.created_at or now, updated_at=now)


ABSENT = ContactState()


class ContactBatch:
    def __init__(self, states: Iterable[tuple[UUID, ContactState]]) -> None:
        self._by_id: dict[tuple[UUID, UUID], ContactState] = {}
        self._ids_by_address: dict[tuple[UUID, str], UUID] = {}
        for project, state in states:
            self.put(project, state)

    def by_id(self, project: UUID, contact_id: UUID) -> ContactState:
        return self._by_id.get((project, contact_id), ABSENT)

    def by_address(self, project: UUID, address: str) -> ContactState:
        contact_id = self._ids_by_address.get((project, address))
        return ABSENT if contact_id is None else self.by_id(project, contact_id)

    def put(self, project: UUID, state: ContactState) -> None:
        """Store the contact's current state and free the address that it no longer has."""
        contact = state.contact
        assert contact.id is not None
        before = self.by_id(project, contact.id).contact
        self._ids_by_address.pop((project, before.email), None)
        self._ids_by_address[project, contact.email] = contact.id
        self._by_id[project, contact.id] = state

    def remove(self, project: UUID, contact_id: UUID) -> None:
        """Remove a deleted contact and free its address."""
        removed = self._by_id.pop((project, contact_id), ABSENT)
        self._ids_by_address.pop((project, removed.contact.email), None)
