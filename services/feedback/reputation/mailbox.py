"""Whether a contact's mailbox takes mail at all: what follows when mails bounce for now, time after time. Pure."""

from datetime import datetime
from uuid import UUID

import msgspec

from libs.schemas.feedback.mails import MailboxEvent, MailboxFailing, MailboxRecovered

MAX_IN_A_ROW = 5
"""Mails that may bounce for now, one after the other, before nothing more is sent there."""


class Streak(msgspec.Struct, frozen=True, kw_only=True):
    """`bounces` are the times of those for now after the last delivery that is known; `failing_since` is the first of
    those for which the mailbox was said to be failing, None if it is not."""

    bounces: tuple[datetime, ...] = ()
    delivered_at: datetime | None = None
    failing_since: datetime | None = None


def decide(streak: Streak, contact_id: UUID, recipient: str | None) -> list[MailboxEvent]:
    """A delivery counts by when it happened, so one that is told of late still takes back what it disproves."""
    delivered_at, since = streak.delivered_at, streak.failing_since
    if delivered_at and since and delivered_at > since:
        return [MailboxRecovered(contact_id=contact_id, recipient=recipient, at=delivered_at)]
    if len(streak.bounces) < MAX_IN_A_ROW:
        return []
    return [
        MailboxFailing(
            contact_id=contact_id,
            recipient=recipient,
            bounces=len(streak.bounces),
            since=min(streak.bounces),
            at=max(streak.bounces),
        )
    ]
