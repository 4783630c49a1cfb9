"""The order of a mail's timeline."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec

from libs.kernel.instants import iso
from libs.schemas.delivery.emails import TimelineEntry
from libs.schemas.feedback.mails import EmailFeedback
from services.gateway.mails.timeline import timeline_of

START = datetime(2026, 5, 1, 12, tzinfo=UTC)

NOTHING = EmailFeedback(
    email_id=uuid4(),
    status="UNKNOWN",
    confirmed_at=None,
    delivered_at=None,
    opened_at=None,
    clicked_at=None,
    bounced_at=None,
    soft_bounced_at=None,
    complained_at=None,
    delayed_at=None,
    rejected_at=None,
    opens=0,
    clicks=0,
    machine_opens=0,
    machine_clicks=0,
)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def entry(what: str, seconds: float, **details: Any) -> TimelineEntry:
    return TimelineEntry(at=iso(after(seconds)), type_=f"email.{what}", message=what, details=details)


def feedback_of(**seconds: float) -> EmailFeedback:
    times = {f"{name}_at": after(at) for name, at in seconds.items()}
    return msgspec.structs.replace(NOTHING, **times)


def types_of(done: list[TimelineEntry], feedback: EmailFeedback) -> list[str]:
    entries = timeline_of(done, feedback)
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    return [entry.type_.removeprefix("email.") for entry in entries]


def test_a_mail_without_reports_has_only_our_entries() -> None:
    assert types_of([entry("queued", 0), entry("sent", 1)], feedback_of()) == ["queued", "sent"]
    assert types_of([], feedback_of(confirmed=1)) == ["confirmed"]


def test_a_mail_is_sent_before_it_is_delivered_even_if_recorded_later() -> None:
    done = [entry("queued", 0), entry("sent", 2, attempt=1)]
    assert types_of(done, feedback_of(confirmed=0.5, delivered=1)) == ["queued", "sent", "confirmed", "delivered"]


def test_an_entry_recorded_before_the_report_keeps_its_time() -> None:
    done = [entry("queued", 0), entry("sent", 0.4, attempt=1)]
    assert timeline_of(done, feedback_of(confirmed=0.5, delivered=1))[1] == done[1]


def test_an_unknown_outcome_and_its_resolution_keep_their_times() -> None:
    done = [entry("queued", 0), entry("unresolved", 5, attempt=1), entry("sent", 9, resolved=True)]
    assert types_of(done, feedback_of(confirmed=0.5)) == ["queued", "confirmed", "unresolved", "sent"]


def test_a_second_attempt_is_not_dated_by_the_report_of_the_first() -> None:
    done = [entry("queued", 0), entry("unresolved", 5), entry("requeued", 9, attempt=2), entry("sent", 10, attempt=2)]
    assert types_of(done, feedback_of(confirmed=0.5)) == ["queued", "confirmed", "unresolved", "requeued", "sent"]
