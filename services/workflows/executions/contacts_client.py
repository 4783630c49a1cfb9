"""The questions that workflows asks contacts."""

import time
from typing import TypeVar
from uuid import UUID

from libs.runtime.messaging.bus import Unavailable
from libs.runtime.process.runtime import Runtime
from libs.schemas.contacts.contacts import (
    Condition,
    ContactView,
    GetContact,
    Match,
    MatchContact,
)

T = TypeVar("T")
SILENCE_SECONDS = 1.0


class ContactsClient:
    """Asks the contacts service over the bus.

    Raises `Unavailable` if there is no answer within seconds; after that it raises at once for a while, so that not
    everyone waits in turn. Raises Rejected if there is no such contact.
    """

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._silent_until = 0.0

    async def connect(self, runtime: Runtime) -> None:
        """Ask through this process's connection from now on."""
        self._runtime = runtime

    async def match(self, project: UUID, contact_id: UUID, condition: Condition) -> bool:
        """Return whether the contact matches the condition now."""
        reply = await self._ask(project, MatchContact(contact_id=contact_id, condition=condition), Match)
        return reply.matches

    async def address_of(self, project: UUID, contact_id: UUID) -> str:
        reply = await self._ask(project, GetContact(contact_id=contact_id), ContactView)
        return reply.email

    async def _ask(self, project: UUID, query: MatchContact | GetContact, reply: type[T]) -> T:
        if self._runtime is None or time.monotonic() < self._silent_until:
            raise Unavailable("contacts does not answer")
        try:
            return await self._runtime.ask(project, query, reply)
        except Unavailable:
            self._silent_until = time.monotonic() + SILENCE_SECONDS
            raise
