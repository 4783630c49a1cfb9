"""In which order a mail's life is told."""

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


def did(what: str, seconds: float, **details: Any) -> TimelineEntry:
    return TimelineEntry(at=iso(after(seconds)), type_=f"email.{what}", message=what, details=details)


def reported(**seconds: float) -> EmailFeedback:
    times = {f"{name}_at": after(at) for name, at in seconds.items()}
    return msgspec.structs.replace(NOTHING, **times)


def told(done: list[TimelineEntry], known: EmailFeedback) -> list[str]:
    entries = timeline_of(done, known)
    assert [entry.at for entry in entries] == sorted(entry.at for entry in entries)
    return [entry.type_.removeprefix("email.") for entry in entries]


def test_a_mail_without_reports_has_only_our_entries() -> None:
    assert told([did("queued", 0), did("sent", 1)], reported()) == ["queued", "sent"]
    assert told([], reported(confirmed=1)) == ["confirmed"]


def test_a_mail_is_sent_before_it_is_delivered_even_if_recorded_later() -> None:
    done = [did("queued", 0), did("sent", 2, attempt=1)]
    assert told(done, reported(confirmed=0.5, delivered=1)) == ["queued", "sent", "confirmed", "delivered"]


def test_an_entry_recorded_before_the_report_keeps_its_time() -> None:
    done = [did("queued", 0), did("sent", 0.4, attempt=1)]
    assert timeline_of(done, reported(confirmed=0.5, delivered=1))[1] == done[1]


def test_an_unknown_outcome_and_its_resolution_keep_their_times() -> None:
    done = [did("queued", 0), did("unresolved", 5, attempt=1), did("sent", 9, resolved=True)]
    assert told(done, reported(confirmed=0.5)) == ["queued", "confirmed", "unresolved", "sent"]


def test_a_second_attempt_is_not_dated_by_the_report_of_the_first() -> None:
    done = [did("queued", 0), did("unresolved", 5), did("requeued", 9, attempt=2), did("sent", 10, attempt=2)]
    assert told(done, reported(confirmed=0.5)) == ["queued", "confirmed", "unresolved", "requeued", "sent"]
