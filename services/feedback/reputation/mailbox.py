"""The decider of mailboxes: a contact's mailbox is failing if mails to it keep bouncing transiently. Pure."""

from datetime import datetime
from uuid import UUID

import msgspec

from libs.schemas.feedback.mails import MailboxEvent, MailboxFailing, MailboxRecovered

MAX_IN_A_ROW = 5
"""Transient bounces in a row after which a mailbox counts as failing."""


class BounceStreak(msgspec.Struct, frozen=True, kw_only=True):
    """The recent mails to a contact.

    `bounces` are the times of the transient bounces after `delivered_at`, the last known delivery. `failing_since` is
    the first bounce of the streak for which the mailbox counts as failing, None if it does not.
    """

    bounces: tuple[datetime, ...] = ()
    delivered_at: datetime | None = None
    failing_since: datetime | None = None


def decide(streak: BounceStreak, contact_id: UUID, recipient: str | None) -> list[MailboxEvent]:
    """Return what follows from the streak.

    A delivery counts by the time it happened, so one that is reported late still revokes a failure that it disproves.
    """
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
