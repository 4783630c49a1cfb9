"""The contacts that a batch is about, by id and by address, as they are after what was decided of it so far.

Some commands name a contact by address and others by id: one book for both keeps what they decide in order.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import reduce
from uuid import UUID

import msgspec
from msgspec.structs import replace

from services.contacts.contacts.contact import (
    INITIAL,
    Contact,
    Fact,
    evolve,
)


class Known(msgspec.Struct, frozen=True):
    """A contact of a project, with what decisions do not need. The times are None while it does not exist."""

    contact: Contact = INITIAL
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def after(self, events: Sequence[Fact], now: datetime) -> "Known":
        contact = reduce(evolve, events, self.contact)
        if contact is self.contact:
            return self
        return replace(self, contact=contact, created_at=self.created_at or now, updated_at=now)


NOBODY = Known()


class Book:
    def __init__(self, known: Iterable[tuple[UUID, Known]]) -> None:
        self._by_id: dict[tuple[UUID, UUID], Known] = {}
        self._holders: dict[tuple[UUID, str], UUID] = {}
        for project, each in known:
            self.keep(project, each)

    def by_id(self, project: UUID, contact_id: UUID) -> Known:
        return self._by_id.get((project, contact_id), NOBODY)

    def by_address(self, project: UUID, address: str) -> Known:
        holder = self._holders.get((project, address))
        return NOBODY if holder is None else self.by_id(project, holder)

    def forget(self, project: UUID, contact_id: UUID) -> None:
        """Take out a contact that is gone; its address is free."""
        gone = self._by_id.pop((project, contact_id), NOBODY)
        self._holders.pop((project, gone.contact.email), None)

    def keep(self, project: UUID, known: Known) -> None:
        """Enter the contact as it is now; an address that it no longer has is free."""
        contact = known.contact
        assert contact.id is not None
        before = self.by_id(project, contact.id).contact
        self._holders.pop((project, before.email), None)
        self._holders[project, contact.email] = contact.id
        self._by_id[project, contact.id] = known
