"""How many mails one process has claimed at a time: grows with success, halves on trouble. Pure.

When SES answers nothing, every call costs one unknown. So trouble shrinks the window down to one mail, and a window of
one rests ever longer between tries: an outage makes a handful of unknowns, not thousands.
"""

import msgspec

from services.delivery.ses.outcome import (
    NotTaken,
    Outcome,
    Refused,
    Sent,
    Unknown,
)

FIRST_REST, LONGEST_REST = 0.25, 30.0


class Window(msgspec.Struct, frozen=True):
    """`size` mails may be claimed and not yet settled; `rest` is how many seconds to wait before claiming more."""

    most: int
    size: int
    rest: float = 0.0

    def after(self, outcome: Outcome) -> "Window":
        match outcome:
            case Sent() | Refused():
                return Window(self.most, min(self.most, self.size + 1))
            case Unknown() | NotTaken(at_once=False):
                rest = min(LONGEST_REST, max(FIRST_REST, self.rest * 2)) if self.size == 1 else 0.0
                return Window(self.most, max(1, self.size // 2), rest)
        return self


def opened(most: int) -> Window:
    return Window(most, most)
