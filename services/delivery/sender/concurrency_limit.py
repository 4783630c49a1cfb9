"""Limits how many mails a process has claimed at a time: additive increase, multiplicative decrease. Pure.

When SES does not respond, every call leaves a mail whose outcome is unknown. So errors shrink the limit down to one
mail, and at one the pauses between attempts grow: an outage leaves a handful of unknown mails, not thousands.
"""

import msgspec

from services.delivery.ses.outcome import MailRejected, NotTaken, Outcome, Sent, Unknown

FIRST_PAUSE, MAX_PAUSE = 0.25, 30.0


class ConcurrencyLimit(msgspec.Struct, frozen=True):
    """At most `size` mails may be claimed and not yet settled; `pause` is how long to wait before claiming more."""

    maximum: int
    size: int
    pause: float = 0.0

    def after(self, outcome: Outcome) -> "ConcurrencyLimit":
        """Return the limit as it is after a call with this outcome."""
        match outcome:
            case Sent() | MailRejected():
                return ConcurrencyLimit(self.maximum, min(self.maximum, self.size + 1))
            case Unknown() | NotTaken(at_once=False):
                pause = min(MAX_PAUSE, max(FIRST_PAUSE, self.pause * 2)) if self.size == 1 else 0.0
                return ConcurrencyLimit(self.maximum, max(1, self.size // 2), pause)
        return self


def wide_open(maximum: int) -> ConcurrencyLimit:
    return ConcurrencyLimit(maximum, maximum)
