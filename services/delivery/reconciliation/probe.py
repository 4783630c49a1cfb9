"""Probes: where nothing tells whether notifications flow, a mail to SES's mailbox simulator brings one.

A mail whose outcome is unknown is sent again only once notifications of later mails came in. After a crash in the last
mails of a quiet night there are none: without a probe those mails would be held until they are given up.
"""

import asyncio
from uuid import UUID

import structlog

from libs.runtime.process.runtime import Runtime
from services.delivery.ledger import ledger
from services.delivery.ledger.email import HELD
from services.delivery.ledger.timing import Timing
from services.delivery.rendering.content_cache import Shelf
from services.delivery.sender.restore_guard import Guard
from services.delivery.ses.client import Ses

log = structlog.get_logger()

# One replica at a time: whoever moves `probed_at` on sends the probe, in the name of one of those who wait for it.
TAKE = """
with held as (
    select id from email where state = 'unknown' and reason = $2 limit 1
)
update heard set probed_at = clock_timestamp()
from held
where probed_at is null or probed_at < clock_timestamp() - make_interval(secs => $1)
returning held.id
"""


class Prober:
    """One process's prober; any number may run at once."""

    def __init__(self, runtime: Runtime, ses: Ses, shelf: Shelf, timing: Timing, guard: Guard) -> None:
        self._runtime = runtime
        self._ses = ses
        self._shelf = shelf
        self._every = timing.probe_every
        self._guard = guard

    async def probe(self) -> float:
        """Send a probe if one is due; answers how many seconds to wait before the next look."""
        if self._guard.open.is_set() and (held := await self._take()):
            sender = await self._sender_of(held)
            outcome = await asyncio.to_thread(self._ses.probe, sender)
            log.info("probe.sent", outcome=type(outcome).__name__)
        return self._every

    async def _take(self) -> UUID | None:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            held: UUID | None = await conn.fetchval(TAKE, self._every, HELD)
        return held

    async def _sender_of(self, email_id: UUID) -> str:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            [mail] = await ledger.load(conn, [email_id], self._shelf)
        return mail.content.from_email
