"""A claimed mail on its way to SES: the permit for the call, and the result of it."""

import time
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from services.delivery.ledger.mail import Mail
from services.delivery.rendering.mime import AttachedFile
from services.delivery.scheduling.permit_pool import MAX_DELAY, Grant
from services.delivery.ses.outcome import Outcome


class Permit(msgspec.Struct, frozen=True):
    """Allows one call that begins between `start` and `latest` on this process's monotonic clock.

    The permit returns to the pool by itself at `held_until`.
    """

    start: float
    latest: float
    held_until: datetime

    def used(self, valid_again: float) -> "Permit":
        """Return the permit as it is after a call: valid again from this moment on."""
        return replace(self, start=valid_again)

    def returned(self) -> tuple[datetime, float]:
        """Return the permit in the form in which the pool takes it back."""
        return self.held_until, self.start - time.monotonic()


class Job(msgspec.Struct, frozen=True):
    """A mail to send; its files are read once its permit is valid."""

    mail: Mail
    permit: Permit
    files: Sequence[AttachedFile] = ()


class CallResult(msgspec.Struct, frozen=True):
    """The outcome of a call, and when it ended on this process's monotonic clock."""

    outcome: Outcome
    at: float


def permits_of(grant: Grant, asked: float) -> list[Permit]:
    """Return the permits of a grant that was requested at `asked` on the monotonic clock.

    They expire relative to that moment, because the process may have been paused since.
    """
    now = time.monotonic()
    return [Permit(now + start, asked + start + MAX_DELAY, grant.held_until) for start in grant.starts]
