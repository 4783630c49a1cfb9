"""Asking contacts for those whom a request would leave as they are: for many requests with one question.

Whoever comes while a project's question is under way goes into the next one. The answer saves a command and its commit;
where there is none, the command is what counts, so no trouble here is ever anybody's.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec
import structlog

from libs.schemas.contacts.contacts import FindUnchangedContacts, SaveContact, UnchangedContact

log = structlog.get_logger()

MAX_AT_ONCE = 100
LOOK_SECONDS = 1.0

_decode = msgspec.json.Decoder(list[UnchangedContact | None]).decode


class PendingLookup(msgspec.Struct, frozen=True):
    save: SaveContact
    found: "asyncio.Future[UnchangedContact | None]"


class UnchangedContacts:
    """`query` asks a service for a project. Bounded by the requests that a process takes at once."""

    def __init__(self, query: Callable[[UUID, FindUnchangedContacts], Awaitable[bytes]]) -> None:
        self._query = query
        self._waiting: defaultdict[UUID, deque[PendingLookup]] = defaultdict(deque)
        self._asking: dict[UUID, asyncio.Task[None]] = {}

    async def find(self, project: UUID, save: SaveContact) -> UnchangedContact | None:
        """The contact, if it has all that already; None if it has to be saved, or nobody could be asked."""
        waiting = PendingLookup(save, asyncio.get_running_loop().create_future())
        self._waiting[project].append(waiting)
        if project not in self._asking:
            self._asking[project] = asyncio.create_task(self._ask_for(project))
        return await waiting.found

    async def _ask_for(self, project: UUID) -> None:
        """Until nobody waits any more."""
        try:
            while line := self._waiting[project]:
                batch = [line.popleft() for _ in range(min(MAX_AT_ONCE, len(line)))]
                for waiting, contact in zip(batch, await self._ask(project, batch), strict=True):
                    if not waiting.found.done():
                        waiting.found.set_result(contact)
        finally:
            del self._waiting[project], self._asking[project]

    async def _ask(self, project: UUID, batch: list[PendingLookup]) -> list[UnchangedContact | None]:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                return _decode(
                    await self._query(project, FindUnchangedContacts(contacts=[each.save for each in batch]))
                )
        except Exception as trouble:  # whatever it is, those who wait go on without an answer
            log.info("known.not_answered", people=len(batch), error=repr(trouble))
            return [None] * len(batch)
