"""Mailboxes that keep bouncing transiently."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.schemas.feedback.mails import MailboxFailing, MailboxRecovered
from services.feedback.reputation.mailbox import MAX_IN_A_ROW, BounceStreak, decide

ADA, ADDRESS = UUID(int=1), "ada@example.com"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def bounced(times: int) -> tuple[datetime, ...]:
    return tuple(at(minute) for minute in range(times))


def test_four_bounces_in_a_row_have_no_consequence() -> None:
    assert decide(BounceStreak(bounces=bounced(MAX_IN_A_ROW - 1)), ADA, ADDRESS) == []


def test_the_fifth_bounce_in_a_row_means_that_the_mailbox_is_failing() -> None:
    [event] = decide(BounceStreak(bounces=bounced(5), delivered_at=at(-1)), ADA, ADDRESS)
    assert event == MailboxFailing(contact_id=ADA, recipient=ADDRESS, bounces=5, since=at(0), at=at(4))


def test_a_delivery_after_the_first_bounce_of_the_streak_means_that_the_mailbox_recovered() -> None:
    [event] = decide(BounceStreak(failing_since=at(0), delivered_at=at(2)), ADA, ADDRESS)
    assert event == MailboxRecovered(contact_id=ADA, recipient=ADDRESS, at=at(2))


def test_a_delivery_before_the_streak_that_is_reported_late_changes_nothing() -> None:
    assert decide(BounceStreak(failing_since=at(0), delivered_at=at(-2)), ADA, ADDRESS) == []
