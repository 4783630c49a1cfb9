"""The reconciler: finds mails whose sender died, and those that stayed unknown, and sees that none is forgotten."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from libs.runtime.eventstore.store import UnitOfWork
from libs.runtime.process.runtime import Runtime
from services.delivery.ledger import ledger, metrics
from services.delivery.ledger.email import (
    Change,
    Heard,
    expire,
    overdue,
)
from services.delivery.ledger.mail import Links, Mail
from services.delivery.ledger.timing import Timing
from services.delivery.reconciliation.proof_search import Searched, search
from services.delivery.rendering.content_cache import Shelf
from services.delivery.rendering.message import subject_of
from services.delivery.sender.maintenance import BROKEN

log = structlog.get_logger()

BATCH = 500
EVERY_SECONDS = 1.0

DUE = """
select id from email where state in ('claimed', 'unknown') and due_at <= now()
order by due_at limit $1 for update skip locked
"""


class Reconciler:
    """One process's reconciler; any number may run at once."""

    def __init__(self, runtime: Runtime, links: Links, shelf: Shelf, timing: Timing) -> None:
        self._runtime = runtime
        self._links = links
        self._shelf = shelf
        self._timing = timing

    async def run(self) -> None:
        while True:
            try:
                found = await self._settle_due()
            except BROKEN as broken:
                log.warning("reconcile.again", error=repr(broken))
                found = 0
            if found < BATCH:
                await asyncio.sleep(EVERY_SECONDS)

    async def _settle_due(self) -> int:
        searched = await search(self._runtime, self._timing, BATCH)
        async with self._runtime.unit() as unit:
            rows = await unit.conn.fetch(DUE, BATCH)
            mails = await ledger.load(unit.conn, [row["id"] for row in rows], self._shelf)
            await self._settle(unit, mails, searched)
        return len(rows)

    async def _settle(self, unit: UnitOfWork, mails: list[Mail], searched: Searched) -> None:
        if not mails:
            return
        heard = await ledger.last_heard(unit.conn)
        changes = [(mail, self._change(with_proof(mail, searched), heard, unit.now, searched)) for mail in mails]
        await ledger.apply(unit, changes)
        _report(changes)

    def _change(self, mail: Mail, heard: Heard, now: datetime, searched: Searched) -> Change:
        subject = subject_of(mail, self._links) if mail.message_ids else ""
        if mail.state == "unknown":
            return overdue(mail, subject, heard if mail.id in searched.excluded else Heard(), now, self._timing)
        return expire(mail, subject, self._timing)


def with_proof(mail: Mail, searched: Searched) -> Mail:
    """The mail as it would be if what was found had come in already."""
    found = searched.found.get(mail.id)
    return msgspec.structs.replace(mail, message_ids=(found,)) if found and not mail.message_ids else mail


def _report(changes: Sequence[tuple[Mail, Change]]) -> None:
    states = [(mail.state, change.state) for mail, change in changes]
    held = states.count(("unknown", "unknown"))
    metrics.HELD.inc(held)
    log.info(
        "reconcile.settled",
        proven=sum(change.resolved for _, change in changes),
        expired=states.count(("claimed", "unknown")),
        again=states.count(("unknown", "queued")),
        failed=states.count(("unknown", "failed")),
        held=held,
    )
