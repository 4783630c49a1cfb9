"""Guards against a database that was restored from a backup or cloned: it would resend what was sent since.

There are two signs. The deployment's epoch is not the one that the database was last used with; or the bus has an event
of this service that the database lacks, although events are published only after they are committed. In either case
sending is paused until an operator resumes it (`godwit sending resume`).
"""

import asyncio
from uuid import UUID

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from libs.runtime.eventstore.store import Connection
from libs.runtime.process.loops import DATABASE_ERRORS
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from services.delivery.sender import metrics

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


class RestoreGuard:
    """The guard of one process. `open` is set while mails may be sent, which is never before the first check."""

    def __init__(self, config: Settings) -> None:
        self._epoch = config.instance_epoch
        self._enabled = config.restore_guard
        self._examined = not self._enabled
        self._logged: str | None = None
        self.open = asyncio.Event()

    async def run(self, runtime: Runtime) -> None:
        """Examine the database once, and follow its state from then on."""
        while True:
            try:
                await self._check(runtime)
            except (*DATABASE_ERRORS, NatsError) as error:
                log.warning("restore_guard.check_failed", error=repr(error))
            await asyncio.sleep(EVERY_SECONDS)

    async def _check(self, runtime: Runtime) -> None:
        async with runtime.pool.acquire(timeout=10) as conn:
            if self._enabled:
                await conn.execute(ADOPT, self._epoch)  # the epoch is null after an operator resumed sending
            if not self._examined:
                await self._examine(conn, runtime.client)
            self._examined = True
            row = await conn.fetchrow(STATE)
        self._follow(row["reason"] if row and row["paused_at"] else None)

    async def _examine(self, conn: Connection, client: Client) -> None:
        """Pause sending if the database is not the one that this deployment last used."""
        epoch = await conn.fetchval(EPOCH)
        if epoch != self._epoch:
            await conn.execute(PAUSE, f'The database belongs to epoch "{epoch}", this deployment to "{self._epoch}".')
        elif missing := await _missing_event(conn, client):
            reason = f"The database was restored from a backup: the bus has an event that it lacks ({missing})."
            await conn.execute(PAUSE, reason)

    def _follow(self, paused: str | None) -> None:
        metrics.PAUSED.set(paused is not None)
        if paused is None:
            self.open.set()
        else:
            self.open.clear()
        if paused and paused != self._logged:
            log.error("restore_guard.sending_paused", reason=paused, todo="godwit sending resume")
        self._logged = paused


async def _missing_event(conn: Connection, client: Client) -> str | None:
    """Return the service's latest event on the bus if the database lacks it."""
    js = client.jetstream(timeout=5)
    try:  # a direct request names the subject, so the bus can limit it to this service's own events
        latest = await js.get_last_msg("EVENTS", SUBJECTS, direct=True)
    except NotFoundError:
        return None
    headers = latest.headers or {}
    stream, version, event = headers["ce-subject"], int(headers["godwit-version"]), UUID(headers["Nats-Msg-Id"])
    known: bool = await conn.fetchval(KNOWN, stream, version, event)
    return None if known else f"{headers['ce-type']} of {headers['ce-time']}"
