"""The decider of one email intent."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from libs.schemas.delivery.emails import (
    EmailFailed,
    EmailRequeued,
    EmailSent,
    EmailSuppressed,
    EmailUnresolved,
    Source,
)
from services.delivery.ledger.email import Email, NotificationWatermark, expire, overdue, prove, settle, suppress
from services.delivery.ledger.timing import timing
from services.delivery.ses.outcome import GIVEN_BACK, MailRejected, NotTaken, Sent, Throttled, Unknown

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
USUAL = timing(None)
CAMPAIGN_GRACE = 3600.0


def an_email(
    source: Source = "CAMPAIGN",
    attempt: int = 1,
    claimed_at: datetime | None = NOW,
    message_ids: tuple[str, ...] = (),
) -> Email:
    return Email(
        id=UUID(int=1),
        project=UUID(int=2),
        contact_id=UUID(int=3),
        source=source,
        campaign_id=uuid4() if source == "CAMPAIGN" else None,
        attempt=attempt,
        claimed_at=claimed_at,
        message_ids=message_ids,
    )


def test_a_mail_that_ses_accepted_is_sent() -> None:
    change = settle(an_email(), Sent("m-1", "Hello"), USUAL)
    assert (change.state, change.message_id, change.resolved) == ("sent", "m-1", False)
    assert isinstance(change.event, EmailSent)
    assert (change.event.message_id, change.event.attempt, change.event.subject) == ("m-1", 1, "Hello")


def test_a_rejected_mail_fails_with_the_reason_of_ses() -> None:
    change = settle(an_email(), MailRejected("MessageRejected", "Bad content"), USUAL)
    assert change.state == "failed"
    assert isinstance(change.event, EmailFailed)
    assert (change.event.code, change.event.reason) == ("MessageRejected", "Bad content")


def test_no_address_is_kept_in_a_reason() -> None:
    rejected = settle(an_email(), MailRejected("MessageRejected", "Not verified: Ada <ada@example.com>"), USUAL)
    unknown = settle(an_email(), Unknown("reset while sending to ada@example.com"), USUAL)
    for change in (rejected, unknown):
        assert "ada@" not in f"{change.reason} {change.event}"


@pytest.mark.parametrize("outcome", [Throttled(), Throttled(daily=True), NotTaken("SendingPaused"), GIVEN_BACK])
def test_a_mail_that_ses_did_not_accept_is_requeued_without_counting_the_attempt(outcome: Throttled | NotTaken) -> None:
    change = settle(an_email(), outcome, USUAL)
    assert (change.state, change.uncounted, change.event) == ("queued", True, None)


def test_a_claim_given_back_is_due_at_once() -> None:
    assert settle(an_email(), GIVEN_BACK, USUAL).due_in == 0


def test_a_missing_response_leaves_the_mail_unknown_for_its_grace_period() -> None:
    change = settle(an_email(), Unknown("NoAnswer"), USUAL)
    assert (change.state, change.due_in) == ("unknown", CAMPAIGN_GRACE)
    assert isinstance(change.event, EmailUnresolved)


def test_transactional_mail_has_a_shorter_grace_period_than_campaigns() -> None:
    assert settle(an_email("TRANSACTIONAL"), Unknown("x"), USUAL).due_in == 600.0


def test_a_notification_settles_an_unknown_mail() -> None:
    change = prove(an_email(message_ids=("m-9",)), "Hello")
    assert (change.state, change.resolved, change.message_id) == ("sent", True, "m-9")
    assert isinstance(change.event, EmailSent) and change.event.resolved


def test_an_expired_claim_is_unknown() -> None:
    change = expire(an_email(), "", USUAL)
    assert change.state == "unknown"
    assert isinstance(change.event, EmailUnresolved)


def test_an_expired_claim_that_a_notification_proved_is_sent() -> None:
    change = expire(an_email(message_ids=("m-1",)), "Hello", USUAL)
    assert (change.state, change.resolved) == ("sent", True)


def test_after_its_grace_period_a_mail_is_resent_while_notifications_arrive() -> None:
    change = overdue(
        an_email(), "Hi", NotificationWatermark(NOW + timedelta(minutes=30)), NOW + timedelta(hours=1), USUAL
    )
    assert change.state == "queued"
    assert isinstance(change.event, EmailRequeued) and change.event.attempt == 2


@pytest.mark.parametrize("watermark", [None, NOW - timedelta(hours=1), NOW, NOW + timedelta(seconds=5)])
def test_a_resend_is_held_if_no_notification_arrived_since_the_call(watermark: datetime | None) -> None:
    change = overdue(an_email(), "Hi", NotificationWatermark(watermark), NOW + timedelta(hours=2), USUAL)
    assert (change.state, change.event) == ("unknown", None)
    assert change.due_in > 0


@pytest.mark.parametrize(("late_ago", "state"), [(1, "unknown"), (29, "unknown"), (31, "queued")])
def test_a_resend_is_held_while_notifications_arrive_late(late_ago: float, state: str) -> None:
    """Notifications that could not be delivered are repeated later, and newer ones overtake them."""
    now = NOW + timedelta(hours=1)
    watermark = NotificationWatermark(now, late_at=now - timedelta(seconds=late_ago))
    assert overdue(an_email(), "Hi", watermark, now, USUAL).state == state


def test_a_proven_mail_is_not_resent_even_if_notifications_arrive() -> None:
    proven = an_email(message_ids=("m-1",))
    change = overdue(proven, "Hi", NotificationWatermark(NOW + timedelta(minutes=30)), NOW + timedelta(hours=1), USUAL)
    assert (change.state, change.message_id, change.resolved) == ("sent", "m-1", True)


def test_a_mail_is_not_sent_a_third_time() -> None:
    change = overdue(
        an_email(attempt=2), "Hi", NotificationWatermark(NOW + timedelta(minutes=30)), NOW + timedelta(hours=1), USUAL
    )
    assert change.state == "failed"
    assert isinstance(change.event, EmailFailed) and change.event.code == "UNRESOLVED"


def test_a_second_attempt_is_held_too_while_no_notifications_arrive() -> None:
    change = overdue(an_email(attempt=2), "Hi", NotificationWatermark(), NOW + timedelta(hours=2), USUAL)
    assert change.state == "unknown"


def test_holding_ends_after_a_day() -> None:
    change = overdue(an_email(), "Hi", NotificationWatermark(), NOW + timedelta(hours=25), USUAL)
    assert change.state == "failed"


def test_a_suppressed_mail_has_a_reason_and_does_not_count_the_attempt() -> None:
    change = suppress(an_email(), "unsubscribed")
    assert (change.state, change.uncounted) == ("suppressed", True)
    assert isinstance(change.event, EmailSuppressed) and change.event.reason == "unsubscribed"


@pytest.mark.parametrize("shortened", [None, 0.0, 2.0, 15.0, 600.0])
def test_a_live_sender_finishes_with_a_claim_before_its_lease_ends(shortened: float | None) -> None:
    times = timing(shortened)
    assert times.give_back_after + times.connect + times.read < times.lease


def test_a_shortened_grace_period_applies_to_every_class_and_lengthens_none() -> None:
    assert set(timing(2.0).graces.values()) == {2.0}
    assert timing(7200.0).graces == USUAL.graces


def test_unknown_mails_of_a_campaign_that_never_resends_are_held_for_a_day() -> None:
    email = replace(an_email(), never_resend=True)
    later = NOW + timedelta(hours=1)
    held = overdue(email, "Hello", NotificationWatermark(later), later, USUAL)
    assert (held.state, held.event, held.due_in) == ("unknown", None, USUAL.give_up_after - 3600)
    tomorrow = NOW + timedelta(days=1, seconds=1)
    failed = overdue(email, "Hello", NotificationWatermark(tomorrow), tomorrow, USUAL)
    assert isinstance(failed.event, EmailFailed) and failed.event.code == "UNRESOLVED"


def test_proof_settles_a_mail_of_a_campaign_that_never_resends() -> None:
    proven = replace(an_email(message_ids=("m-1",)), never_resend=True)
    assert overdue(proven, "Hello", NotificationWatermark(), NOW, USUAL).state == "sent"
