"""Probes: mails to SES's mailbox simulator, sent to find out whether notifications arrive.

A mail with an unknown outcome is resent only after notifications about later mails arrived. If a crash hits the last
mails of a quiet night, there are none: without a probe those mails would be held until they fail.
"""

import asyncio
from uuid import UUID

import structlog

from libs.runtime.process.runtime import Runtime
from services.delivery.claiming.mails import load
from services.delivery.ledger.email import HELD
from services.delivery.ledger.timing import Timing
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.sender.mailer import Mailer
from services.delivery.sender.restore_guard import RestoreGuard

log = structlog.get_logger()

# One replica at a time: the one that advances `probed_at` sends the probe, from the sender of one of the held mails.
# Any project may be next: one whose domain SES no longer accepts must not spoil the probes of the others.
TAKE = """
with one_of_each as (
    select distinct on (project) id from email where state = 'unknown' and reason = $2 order by project, random()
), held as (
    select id from one_of_each order by random() limit 1
)
update heard set probed_at = clock_timestamp()
from held
where probed_at is null or probed_at < clock_timestamp() - make_interval(secs => $1)
returning held.id
"""


class Prober:
    """The prober of one process; any number may run at once."""

    def __init__(
        self, runtime: Runtime, mailer: Mailer, cache: ContentCache, timing: Timing, guard: RestoreGuard
    ) -> None:
        self._runtime = runtime
        self._mailer = mailer
        self._cache = cache
        self._every = timing.probe_every
        self._guard = guard

    async def probe(self) -> float:
        """Send a probe if one is due. Return how many seconds to wait before the next look."""
        if self._guard.open.is_set() and (held := await self._take()):
            sender = await self._sender_of(held)
            outcome = await asyncio.to_thread(self._mailer.probe, sender)
            log.info("probe.sent", outcome=type(outcome).__name__)
        return self._every

    async def _take(self) -> UUID | None:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            held: UUID | None = await conn.fetchval(TAKE, self._every, HELD)
        return held

    async def _sender_of(self, email_id: UUID) -> str:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            [mail] = await load(conn, [email_id], self._cache)
        return mail.content.from_email
