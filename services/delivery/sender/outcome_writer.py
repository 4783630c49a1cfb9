"""Writes the outcomes of calls, many in one transaction, and keeps trying until they are written."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

import structlog

from libs.runtime.eventstore.store import Connection
from libs.runtime.process.loops import DATABASE_ERRORS
from libs.runtime.process.runtime import Runtime
from services.delivery.ledger import ledger
from services.delivery.ledger.email import settle
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.timing import Timing
from services.delivery.scheduling import campaign_schedules, permit_pool
from services.delivery.sender import metrics
from services.delivery.sender.job import Permit
from services.delivery.ses.outcome import GIVEN_BACK, Outcome, Throttled

log = structlog.get_logger()

GATHER_SECONDS = 0.03
"""How long outcomes are gathered: many share a transaction, yet a crash leaves few of them unknown."""

SECONDS_AFTER_ERROR = 1.0

Finished: TypeAlias = tuple[Mail, Outcome, Permit]


class OutcomeWriter:
    """Writes the outcomes of one sender. `open` counts the mails that are expected and not written yet."""

    def __init__(self, runtime: Runtime, timing: Timing) -> None:
        self._runtime = runtime
        self._timing = timing
        self._region = runtime.settings.aws_region
        self._finished: list[Finished] = []
        self._changed = asyncio.Event()
        self._closed = False
        self.open = 0

    def expect(self, mails: int) -> None:
        """Expect the outcomes of this many more mails, until they are written or given up with `forget`."""
        self.open += mails

    def forget(self, mails: int) -> None:
        """Stop expecting this many mails."""
        self.open -= mails
        if self._closed:
            self._changed.set()

    def write(self, mail: Mail, outcome: Outcome, permit: Permit) -> None:
        """Write the outcome of an expected mail soon, and return its permit with it."""
        self._finished.append((mail, outcome, permit))
        self._changed.set()

    def close(self) -> None:
        """End `run` once nothing is open any more."""
        self._closed = True
        self._changed.set()

    async def run(self) -> None:
        """Write outcomes until the writer is closed and nothing is open."""
        while self.open or not self._closed:
            await self._changed.wait()
            await asyncio.sleep(GATHER_SECONDS)
            self._changed.clear()
            finished, self._finished = self._finished, []
            if finished:
                await self._write(finished)
            self.open -= len(finished)

    async def _write(self, finished: Sequence[Finished]) -> None:
        """Write the outcomes, however long it takes: writing them twice changes nothing.

        Returning permits twice would count twice. So they are returned with the first attempt only, which may have been
        committed although the connection broke; otherwise they return by themselves.
        """
        permits = [permit for _, _, permit in finished]
        unused = sum(outcome == GIVEN_BACK for _, outcome, _ in finished)
        while True:
            try:
                return await self._try_to_write(finished, permits, unused)
            except DATABASE_ERRORS as error:
                log.warning("sender.cannot_write_outcomes", mails=len(finished), error=repr(error))
                permits, unused = [], 0
                await asyncio.sleep(SECONDS_AFTER_ERROR)

    async def _try_to_write(self, finished: Sequence[Finished], permits: Sequence[Permit], unused: int) -> None:
        changes = [(mail, settle(mail, outcome, self._timing)) for mail, outcome, _ in finished]
        async with self._runtime.unit() as unit:
            written = await ledger.apply(unit, changes)
            requeued = [mail for mail, change in changes if change.state == "queued" and mail.id in written]
            await campaign_schedules.return_turns(unit.conn, requeued)
            await self._slow_down(unit.conn, [outcome for _, outcome, _ in finished])
            await permit_pool.release(unit.conn, self._region, [permit.returned() for permit in permits], unused)

    async def _slow_down(self, conn: Connection, outcomes: Sequence[Outcome]) -> None:
        """Slow all replicas down if SES throttled any of the calls."""
        throttled = [outcome for outcome in outcomes if isinstance(outcome, Throttled)]
        metrics.THROTTLED.inc(len(throttled))
        if any(outcome.daily for outcome in throttled):
            await permit_pool.stop_for_today(conn, self._region)
            log.warning("sender.daily_quota_used_up")
        elif throttled and (rate := await permit_pool.slow_down(conn, self._region)):
            log.warning("sender.throttled", rate=rate)
