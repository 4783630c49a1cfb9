"""The fast path: transactional mail is claimed in the transaction that queues it, because somebody waits for it.

Finding a mail in the queue costs as much as putting it there. So if the sender of this process has capacity, permits
are taken while the requests are being decided; the mails are claimed before the commit and handed to SES right after.
If anything stands in the way, the mails stay in the queue like all others.
"""

import asyncio
from collections.abc import Collection, Sequence
from uuid import UUID

from libs.runtime.eventstore.store import UnitOfWork
from services.delivery.sender.job import Job, Permit
from services.delivery.sender.sender import Sender

MAX_MAILS = 16
"""The most mails that may hold up other requests in the same transaction."""

PERMITS_SECONDS = 0.05
"""How long the transaction waits for permits while other replicas are taking some."""


class FastPath:
    """Connects the handling of commands with the sender of the process, once that has started."""

    def __init__(self) -> None:
        self._sender: Sender | None = None

    def connect(self, sender: Sender) -> None:
        self._sender = sender

    def prepare(self, unit: UnitOfWork, mails: int) -> "FastPathClaim | None":
        """Prepare to claim this many transactional mails that `unit` will queue; None if they have to wait."""
        if self._sender is None:
            return None
        if not self._sender.admits(mails, MAX_MAILS):
            unit.on_completion(self._sender.look)
            return None
        claim = FastPathClaim(self._sender, mails)
        unit.on_completion(claim.end)
        return claim


class FastPathClaim:
    """The mails of one transaction, and the permits for them."""

    def __init__(self, sender: Sender, mails: int) -> None:
        self._sender = sender
        self._mails = mails
        self._taking = asyncio.create_task(sender.take(mails))
        self._jobs: Sequence[Job] = ()

    async def claim(self, unit: UnitOfWork, queued: Collection[UUID]) -> None:
        """Claim the mails that were queued in the transaction, as many as there are permits."""
        self._jobs = await self._sender.claim_new(unit, queued, await self._permits())

    async def _permits(self) -> Sequence[Permit]:
        await asyncio.wait({self._taking}, timeout=PERMITS_SECONDS)
        return self._taking.result() if self._taking.done() else ()

    def end(self, committed: bool) -> None:
        """Send what was claimed, or give it back if the commit failed. Unneeded permits return by themselves."""
        self._taking.cancel()
        self._sender.leave(self._mails, self._jobs, committed)
