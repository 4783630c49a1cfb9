"""What follows when mails to a mailbox bounce for now, time after time."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.schemas.feedback.mails import MailboxFailing, MailboxRecovered
from services.feedback.reputation.mailbox import MAX_IN_A_ROW, Streak, decide

ADA, ADDRESS = UUID(int=1), "ada@example.com"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def bounced(times: int) -> tuple[datetime, ...]:
    return tuple(at(minute) for minute in range(times))


def test_four_bounces_in_a_row_say_nothing() -> None:
    assert decide(Streak(bounces=bounced(MAX_IN_A_ROW - 1)), ADA, ADDRESS) == []


def test_the_fifth_in_a_row_says_that_the_mailbox_takes_no_mail() -> None:
    [event] = decide(Streak(bounces=bounced(5), delivered_at=at(-1)), ADA, ADDRESS)
    assert event == MailboxFailing(contact_id=ADA, recipient=ADDRESS, bounces=5, since=at(0), at=at(4))


def test_a_delivery_after_the_first_of_them_takes_it_back() -> None:
    [event] = decide(Streak(failing_since=at(0), delivered_at=at(2)), ADA, ADDRESS)
    assert event == MailboxRecovered(contact_id=ADA, recipient=ADDRESS, at=at(2))


def test_a_delivery_before_them_that_is_told_of_late_does_not() -> None:
    assert decide(Streak(failing_since=at(0), delivered_at=at(-2)), ADA, ADDRESS) == []
