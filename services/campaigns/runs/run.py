"""How far the sending of a campaign is: the counts, and what each event adds to them. Pure."""

from datetime import datetime
from typing import Any

import msgspec

from libs.schemas.base import Event
from libs.schemas.contacts.contacts import AudiencePageResolved
from libs.schemas.delivery.emails import EmailCancelled, EmailFailed, EmailSent, EmailSuppressed
from libs.schemas.feedback.mails import EmailBounced, EmailClicked, EmailComplained, EmailDelivered, EmailOpened

COUNTED_EVENTS: tuple[type[Event], ...] = (
    AudiencePageResolved,
    EmailSent,
    EmailFailed,
    EmailSuppressed,
    EmailCancelled,
    EmailDelivered,
    EmailOpened,
    EmailClicked,
    EmailBounced,
    EmailComplained,
)


class MailCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of recipients and of what happened to their mails.

    `resolved` counts the recipients. `opens` and `clicks` count every time, all others count a mail once.
    """

    resolved: int = 0
    sent: int = 0
    failed: int = 0
    suppressed: int = 0
    cancelled: int = 0
    delivered: int = 0
    opened: int = 0
    clicked: int = 0
    complained: int = 0
    hard_bounced: int = 0
    soft_bounced: int = 0
    opens: int = 0
    clicks: int = 0


class Run(MailCounts, frozen=True, kw_only=True):
    """The counts of one campaign. They are all 0 before it is sent.

    `total` is the size of the audience, None until all of it is resolved.
    """

    total: int | None = None
    bounced: int = 0
    first_sent_at: datetime | None = None
    last_sent_at: datetime | None = None

    @property
    def rate(self) -> float | None:
        """Mails sent per second between the first and the latest. None if they are less than a second apart."""
        if self.first_sent_at is None or self.last_sent_at is None:
            return None
        seconds = (self.last_sent_at - self.first_sent_at).total_seconds()
        return self.sent / seconds if seconds >= 1 else None

    @property
    def recipients(self) -> int:
        """The size of the audience, or of the part that is resolved so far."""
        return self.resolved if self.total is None else self.total

    @property
    def queued(self) -> int:
        """Recipients whose mail has no outcome yet. 0 also where outcomes arrive before their page of the audience."""
        return max(0, self.resolved - self.sent - self.failed - self.suppressed - self.cancelled)


def increments(event: Any) -> dict[str, int]:
    """Return what an event adds to the counts. Only the first delivery, bounce or complaint of a mail counts."""
    match event:
        case AudiencePageResolved(members=members):
            return {"resolved": len(members)}
        case EmailSent():
            return {"sent": 1}
        case EmailFailed():
            return {"failed": 1}
        case EmailSuppressed():
            return {"suppressed": 1}
        case EmailCancelled():
            return {"cancelled": 1}
        case EmailDelivered(first=True):
            return {"delivered": 1}
        case EmailOpened(machine=False, first=first):
            return {"opened": int(first), "opens": 1}
        case EmailClicked(machine=False, first=first):
            return {"clicked": int(first), "clicks": 1}
        case EmailBounced(first=True, bounce_type=kind):
            return {"soft_bounced" if kind == "Transient" else "hard_bounced": 1}
        case EmailComplained(first=True):
            return {"complained": 1}
    return {}
