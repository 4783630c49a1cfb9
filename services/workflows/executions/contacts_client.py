"""What workflows asks contacts."""

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
    """The contacts service, over the bus.

    Answers within seconds or raises `Unavailable`; then for a while everyone else is told so at once, instead of
    each waiting in turn. Raises Rejected if there is no such contact.
    """

    def __init__(self) -> None:
        self._runtime: Runtime | None = None
        self._silent_until = 0.0

    async def connect(self, runtime: Runtime) -> None:
        """Ask through this process's connection from now on."""
        self._runtime = runtime

    async def match(self, project: UUID, contact_id: UUID, condition: Condition) -> bool:
        """Does the condition hold for the contact now?"""
        answer = await self._ask(project, MatchContact(contact_id=contact_id, condition=condition), Match)
        return answer.matches

    async def address_of(self, project: UUID, contact_id: UUID) -> str:
        answer = await self._ask(project, GetContact(contact_id=contact_id), ContactView)
        return answer.email

    async def _ask(self, project: UUID, query: MatchContact | GetContact, answer: type[T]) -> T:
        if self._runtime is None or time.monotonic() < self._silent_until:
            raise Unavailable("contacts does not answer")
        try:
            return await self._runtime.ask(project, query, answer)
        except Unavailable:
            self._silent_until = time.monotonic() + SILENCE_SECONDS
            raise
