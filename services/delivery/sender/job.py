"""A mail on its way to SES: what allows the call, and what came of it."""

import time
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from services.delivery.ledger.mail import Mail
from services.delivery.rendering.mime import File
from services.delivery.scheduling.permit_pool import LATEST, Grant
from services.delivery.ses.outcome import Outcome


class Permit(msgspec.Struct, frozen=True):
    """Leave to call SES from `start` to `latest`, on this process's monotonic clock; it comes back by itself at
    `held_until`."""

    start: float
    latest: float
    held_until: datetime

    def used(self, again: float) -> "Permit":
        """The permit after a call, good again from that moment on."""
        return replace(self, start=again)

    def back(self) -> tuple[datetime, float]:
        """As the bucket takes it back."""
        return self.held_until, self.start - time.monotonic()


class Job(msgspec.Struct, frozen=True):
    """A mail to hand over to SES; its files are read when its permit is good."""

    mail: Mail
    permit: Permit
    attached: Sequence[File] = ()


class Answer(msgspec.Struct, frozen=True):
    """What a call ended in, and when, on this process's monotonic clock."""

    outcome: Outcome
    at: float


def permits_of(grant: Grant, asked: float) -> list[Permit]:
    """`asked` is the time just before the bucket was: who is stopped between that and the answer may come too late."""
    now = time.monotonic()
    return [Permit(now + start, asked + start + LATEST, grant.held_until) for start in grant.starts]
