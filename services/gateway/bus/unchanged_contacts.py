"""Looks up contacts that a save would not change, with one query for many requests.

Requests that arrive while a project's query is running go into the next one. A hit saves a command and its commit.
Without one the command decides anyway, so a failure here never fails a request.
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
TIMEOUT_SECONDS = 1.0

_decode = msgspec.json.Decoder(list[UnchangedContact | None]).decode


class PendingLookup(msgspec.Struct, frozen=True):
    save: SaveContact
    found: "asyncio.Future[UnchangedContact | None]"


class UnchangedContacts:
    """Batches the lookups. `query` sends a query for a project. The requests of this process bound the queue."""

    def __init__(self, query: Callable[[UUID, FindUnchangedContacts], Awaitable[bytes]]) -> None:
        self._query = query
        self._waiting: defaultdict[UUID, deque[PendingLookup]] = defaultdict(deque)
        self._running: dict[UUID, asyncio.Task[None]] = {}

    async def find(self, project: UUID, save: SaveContact) -> UnchangedContact | None:
        """Return the contact if `save` would not change it. None if it has to be saved, or the lookup failed."""
        lookup = PendingLookup(save, asyncio.get_running_loop().create_future())
        self._waiting[project].append(lookup)
        if project not in self._running:
            self._running[project] = asyncio.create_task(self._run(project))
        return await lookup.found

    async def _run(self, project: UUID) -> None:
        """Run queries until no lookup is waiting."""
        try:
            while queue := self._waiting[project]:
                batch = [queue.popleft() for _ in range(min(MAX_AT_ONCE, len(queue)))]
                for lookup, contact in zip(batch, await self._find(project, batch), strict=True):
                    if not lookup.found.done():
                        lookup.found.set_result(contact)
        finally:
            del self._waiting[project], self._running[project]

    async def _find(self, project: UUID, batch: list[PendingLookup]) -> list[UnchangedContact | None]:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return _decode(
                    await self._query(project, FindUnchangedContacts(contacts=[each.save for each in batch]))
                )
        except Exception as error:  # whatever it is, the requests go on without a result
            log.info("unchanged_contacts.lookup_failed", contacts=len(batch), error=repr(error))
            return [None] * len(batch)
