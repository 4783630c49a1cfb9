"""Writing what came of calls: many to a transaction, until they are known to be written."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

import structlog

from libs.runtime.eventstore.store import Connection
from libs.runtime.process.runtime import Runtime
from services.delivery.ledger import ledger, metrics
from services.delivery.ledger.email import settle
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.timing import Timing
from services.delivery.scheduling import campaign_schedules, permit_pool
from services.delivery.sender.job import Permit
from services.delivery.sender.maintenance import BROKEN
from services.delivery.ses.outcome import GIVEN_BACK, Outcome, Throttled

log = structlog.get_logger()

GATHER_SECONDS = 0.03
"""How long outcomes are gathered before they are written: many to a transaction, and few that a crash makes unknown."""

BROKEN_SECONDS = 1.0

Done: TypeAlias = tuple[Mail, Outcome, Permit]


class Recorder:
    """One sender's. `open` mails are expected, and not written yet."""

    def __init__(self, runtime: Runtime, timing: Timing) -> None:
        self._runtime = runtime
        self._timing = timing
        self._region = runtime.settings.aws_region
        self._done: list[Done] = []
        self._changed = asyncio.Event()
        self._closed = False
        self.open = 0

    def expect(self, mails: int) -> None:
        """Outcomes of so many more will be recorded, or they are forgotten."""
        self.open += mails

    def forget(self, mails: int) -> None:
        self.open -= mails
        if self._closed:
            self._changed.set()

    def record(self, mail: Mail, outcome: Outcome, permit: Permit) -> None:
        """Of a mail that was expected; the permit is returned with it."""
        self._done.append((mail, outcome, permit))
        self._changed.set()

    def close(self) -> None:
        """No more will be expected but for what is open."""
        self._closed = True
        self._changed.set()

    async def run(self) -> None:
        """Until it is closed and nothing is open."""
        while self.open or not self._closed:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            done, self._done = self._done, []
            if done:
                await self._write(done)
            self.open -= len(done)

    async def _write(self, done: Sequence[Done]) -> None:
        """However long it takes: writing it twice changes nothing. Permits would count twice, so they are returned with
        the first attempt, whose commit may be all that was heard of; else they come back by themselves."""
        changes = [(mail, settle(mail, outcome, self._timing)) for mail, outcome, _ in done]
        permits = [permit for _, _, permit in done]
        unused = sum(outcome == GIVEN_BACK for _, outcome, _ in done)
        while True:
            try:
                async with self._runtime.unit() as unit:
                    written = await ledger.apply(unit, changes)
                    again = [mail for mail, change in changes if change.state == "queued" and mail.id in written]
                    await campaign_schedules.return_turns(unit.conn, again)
                    await self._heed(unit.conn, [outcome for _, outcome, _ in done])
                    await permit_pool.release(unit.conn, self._region, [permit.back() for permit in permits], unused)
                return
            except BROKEN as broken:
                log.warning("sender.cannot_record", mails=len(done), error=repr(broken))
                permits, unused = [], 0
                await asyncio.sleep(BROKEN_SECONDS)

    async def _heed(self, conn: Connection, outcomes: Sequence[Outcome]) -> None:
        """Slow down all replicas if SES said so."""
        throttled = [outcome for outcome in outcomes if isinstance(outcome, Throttled)]
        metrics.THROTTLED.inc(len(throttled))
        if any(outcome.daily for outcome in throttled):
            await permit_pool.stop_for_today(conn, self._region)
            log.warning("sender.daily_quota_used_up")
        elif throttled and (rate := await permit_pool.slow_down(conn, self._region)):
            log.warning("sender.throttled", rate=rate)
