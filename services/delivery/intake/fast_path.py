"""Mail that is claimed in the transaction that queues it, because somebody waits for it.

To look for it in the queue costs as much as to put it there. So where the sender of this process has time, permits are
taken while orders are being decided; their mails are claimed before they are committed, and handed to SES right after.
Whatever stands in the way, the mails stay in the queue like all others.
"""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

from libs.runtime.eventstore.store import UnitOfWork
from services.delivery.sender.job import Job, Permit
from services.delivery.sender.sender import Sender

MOST = 16
"""Mails for which others whose orders are in the same transaction may have to wait."""

PERMITS_SECONDS = 0.05
"""How long the transaction waits for permits that other replicas are busy taking."""


class Desk:
    """Where orders find the sender of their process."""

    def __init__(self) -> None:
        self.sender: Sender | None = None

    def expect(self, unit: UnitOfWork, mails: int) -> "Express | None":
        """Prepare to claim so many transactional mails that will be queued in `unit`; None if they have to wait."""
        if self.sender is None:
            return None
        if not self.sender.admits(mails, MOST):
            unit.on_completion(self.sender.look)
            return None
        express = Express(self.sender, mails)
        unit.on_completion(express.end)
        return express


class Express:
    """The mails of one transaction, and the permits for them."""

    def __init__(self, sender: Sender, mails: int) -> None:
        self._sender = sender
        self._mails = mails
        self._taking = asyncio.create_task(sender.take(mails))
        self._jobs: Sequence[Job] = ()

    async def claim(self, unit: UnitOfWork, queued: Collection[UUID]) -> None:
        """Claim these, which were queued in the transaction, as far as there are permits."""
        self._jobs = await self._sender.claim_new(unit, queued, await self._permits())

    async def _permits(self) -> Sequence[Permit]:
        await asyncio.wait({self._taking}, timeout=PERMITS_SECONDS)
        return self._taking.result() if self._taking.done() else ()

    def end(self, committed: bool) -> None:
        """Send what was claimed; or give it back, in case that it was committed all the same. Permits that were for
        none come back by themselves."""
        self._taking.cancel()
        self._sender.leave(self._mails, self._jobs, committed)
