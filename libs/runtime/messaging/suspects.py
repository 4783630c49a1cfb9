"""Work that was at hand when a process died is tried alone, and put aside if processes die with it again.

A message that kills its process is delivered again, and would kill the next one together with everything else at hand.
Nobody can tell from outside which message it was. So whatever was at hand in a process that ended twice is handled by
itself, after a note in the database that is deleted when it is done. A note that is found again says that the process
died in between. The usual work costs nothing: only what is delivered for the third time is noted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID, uuid4

import asyncpg

from libs.runtime.messaging.group_commit import CONNECTION_ERRORS

MAX_INNOCENT_ATTEMPTS = 2
"""So many attempts may end without an outcome before the work is suspect: everything at hand dies with a process."""
MAX_DEATHS = 3
"""So many processes may die while they do nothing else before the work is put aside."""
TIMEOUT = 10.0

NOTE = """
insert into suspect (kind, id, run) values ($1, $2, $3)
on conflict (kind, id) do update set
    deaths = suspect.deaths + (suspect.run <> excluded.run)::int, run = excluded.run, noted_at = clock_timestamp()
returning deaths
"""
FORGET = "delete from suspect where kind = $1 and id = $2"
FORGET_OLD = "delete from suspect where noted_at < clock_timestamp() - interval '2 days'"


class ProcessDied(Exception):
    """Raised instead of trying work again with which processes died."""

    def __init__(self, deaths: int) -> None:
        super().__init__(f"{deaths} processes died while they did nothing else, so it is not tried again")


class Suspects:
    """The suspect work of a process, which it does one piece at a time."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._run = uuid4()
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def alone(self, kind: str, id: UUID) -> AsyncIterator[None]:
        """Note that this is tried during the block. Raise ProcessDied if processes died with it before.

        Then the note stays until `forget`, so that a process may die before it has put the work aside.
        """
        async with self._turn:
            deaths: int = await self._pool.fetchval(NOTE, kind, id, self._run, timeout=TIMEOUT)
            if deaths >= MAX_DEATHS:
                raise ProcessDied(deaths)
            try:
                yield
            finally:
                await self.forget(kind, id)

    async def forget(self, kind: str, id: UUID) -> None:
        """Delete the note: the work is done, or put aside. If it stays and is found by this process, it is no death."""
        with suppress(*CONNECTION_ERRORS):
            await self._pool.execute(FORGET, kind, id, timeout=TIMEOUT)

    async def forget_old(self) -> None:
        """Delete the notes on work that another process has done since."""
        await self._pool.execute(FORGET_OLD, timeout=TIMEOUT)


def is_suspect(attempts: int) -> bool:
    """Return whether work may have ended processes. `attempts` counts this one and those that came to no end."""
    return attempts > MAX_INNOCENT_ATTEMPTS
