"""The guard against a database that was restored from a backup, or cloned: it would send again what went out since.

Two things tell. The deployment's epoch is not the one that the database was last used with; or the bus holds an event
of this service that the database does not know: it must have forgotten it, because events are published after they are
committed. Then sending is paused until an operator says that it may go on (`godwit sending resume`).
"""

import asyncio
from uuid import UUID

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from libs.runtime.eventstore.store import Connection
from libs.runtime.process.runtime import Runtime
from services.delivery.ledger import metrics
from services.delivery.sender.maintenance import BROKEN

log = structlog.get_logger()

EVERY_SECONDS = 1.0
SUBJECTS = "evt.delivery.>"

STATE = "select paused_at, reason from sending"
EPOCH = "select epoch from sending"
ADOPT = "update sending set epoch = $1 where epoch is null"
PAUSE = "update sending set paused_at = clock_timestamp(), reason = $1 where paused_at is null"
KNOWN = """
select exists (select from events where stream = $1 and version = $2 and id = $3)
    or exists (select from sending where acknowledged = $3)
"""


class Guard:
    """One process's guard. `open` is set while mail may go out; it is not before the database was examined."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._epoch = runtime.settings.instance_epoch
        self._guards = runtime.settings.restore_guard
        self._examined = not self._guards
        self._told: str | None = None
        self.open = asyncio.Event()

    async def run(self) -> None:
        """Examine the database once; from then on keep to what it says."""
        while True:
            try:
                await self._look()
            except (*BROKEN, NatsError) as broken:
                log.warning("guard.again", error=repr(broken))
            await asyncio.sleep(EVERY_SECONDS)

    async def _look(self) -> None:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            if self._guards:
                await conn.execute(ADOPT, self._epoch)  # none after an operator said that mail may go on
            if not self._examined:
                await self._examine(conn)
            self._examined = True
            row = await conn.fetchrow(STATE)
        self._heed(row["reason"] if row and row["paused_at"] else None)

    async def _examine(self, conn: Connection) -> None:
        """Pause sending if the database is not the one that this deployment left."""
        epoch = await conn.fetchval(EPOCH)
        if epoch != self._epoch:
            await conn.execute(PAUSE, f'The database belongs to epoch "{epoch}", this deployment to "{self._epoch}".')
        elif forgotten := await self._forgotten(conn):
            reason = f"The bus holds an event that the database does not: {forgotten}. It was restored from a backup."
            await conn.execute(PAUSE, reason)

    async def _forgotten(self, conn: Connection) -> str | None:
        """The latest event of ours on the bus, if the database does not know it."""
        try:
            latest = await self._runtime.client.jetstream(timeout=5).get_last_msg("EVENTS", SUBJECTS)
        except NotFoundError:
            return None
        headers = latest.headers or {}
        stream, version, event = headers["ce-subject"], int(headers["godwit-version"]), UUID(headers["Nats-Msg-Id"])
        known: bool = await conn.fetchval(KNOWN, stream, version, event)
        return None if known else f"{headers['ce-type']} of {headers['ce-time']}"

    def _heed(self, paused: str | None) -> None:
        metrics.PAUSED.set(paused is not None)
        if paused is None:
            self.open.set()
        else:
            self.open.clear()
        if paused and paused != self._told:
            log.error("guard.sending_is_paused", reason=paused, todo="godwit sending resume")
        self._told = paused
