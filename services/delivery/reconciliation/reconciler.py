"""The reconciler: settles claims whose sender died, and mails whose outcome stayed unknown."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from libs.runtime.eventstore.store import UnitOfWork
from libs.runtime.process.loops import DATABASE_ERRORS
from libs.runtime.process.runtime import Runtime
from services.delivery.claiming.mails import load
from services.delivery.ledger import ledger, metrics
from services.delivery.ledger.email import Change, NotificationWatermark, expire, overdue
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.timing import Timing
from services.delivery.reconciliation import notification_watermark
from services.delivery.reconciliation.proof_search import FoundProofs, search
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.rendering.message import subject_of
from services.delivery.rendering.variables import Links

log = structlog.get_logger()

BATCH = 500
EVERY_SECONDS = 1.0

DUE = """
select id from email where state in ('claimed', 'unknown') and due_at <= now()
order by due_at limit $1 for update skip locked
"""


class Reconciler:
    """The reconciler of one process; any number may run at once."""

    def __init__(self, runtime: Runtime, links: Links, cache: ContentCache, timing: Timing) -> None:
        self._runtime = runtime
        self._links = links
        self._cache = cache
        self._timing = timing

    async def run(self) -> None:
        while True:
            try:
                found = await self._settle_due()
            except DATABASE_ERRORS as error:
                log.warning("reconcile.failed", error=repr(error))
                found = 0
            if found < BATCH:
                await asyncio.sleep(EVERY_SECONDS)

    async def _settle_due(self) -> int:
        proofs = await search(self._runtime, self._timing, BATCH)
        async with self._runtime.unit() as unit:
            rows = await unit.conn.fetch(DUE, BATCH)
            mails = await load(unit.conn, [row["id"] for row in rows], self._cache)
            await self._settle(unit, mails, proofs)
        return len(rows)

    async def _settle(self, unit: UnitOfWork, mails: list[Mail], proofs: FoundProofs) -> None:
        if not mails:
            return
        watermark = await notification_watermark.read(unit.conn)
        changes = [(mail, self._change(with_proof(mail, proofs), watermark, unit.now, proofs)) for mail in mails]
        await ledger.apply(unit, changes)
        _report(changes)

    def _change(self, mail: Mail, watermark: NotificationWatermark, now: datetime, proofs: FoundProofs) -> Change:
        subject = subject_of(mail, self._links) if mail.message_ids else ""
        if mail.state == "unknown":
            evidence = watermark if mail.id in proofs.excluded else NotificationWatermark()
            return overdue(mail, subject, evidence, now, self._timing)
        return expire(mail, subject, self._timing)


def with_proof(mail: Mail, proofs: FoundProofs) -> Mail:
    """Return the mail with the proof that was found for it, as if its notification had been handled already."""
    found = proofs.message_ids.get(mail.id)
    return msgspec.structs.replace(mail, message_ids=(found,)) if found and not mail.message_ids else mail


def _report(changes: Sequence[tuple[Mail, Change]]) -> None:
    states = [(mail.state, change.state) for mail, change in changes]
    held = states.count(("unknown", "unknown"))
    metrics.HELD.inc(held)
    log.info(
        "reconcile.settled",
        proven=sum(change.resolved for _, change in changes),
        expired=states.count(("claimed", "unknown")),
        requeued=states.count(("unknown", "queued")),
        failed=states.count(("unknown", "failed")),
        held=held,
    )
