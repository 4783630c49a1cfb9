"""When a project is warned, and when its bulk mail is paused."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from uuid import UUID

import pytest
from msgspec.structs import replace

from libs.schemas.feedback.reputation import (
    PauseSending,
    ReputationCounts,
    ReputationEvent,
    ResumeSending,
    SendingPaused,
    SendingResumed,
)
from services.feedback.reputation.reputation import (
    INITIAL,
    Figures,
    Judge,
    Reputation,
    decide,
    evolve,
    findings,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROJECT = UUID(int=1)
OLD, NEW = NOW - timedelta(days=400), NOW - timedelta(days=3)


def figures(sent: int, bounced: int = 0, complained: int = 0, since: datetime = OLD) -> Figures:
    """Return the same counts in every window, as if all mail was sent today."""
    counts = ReputationCounts(sent=sent, bounced=bounced, complained=complained)
    return Figures(since=since, hour=counts, day=counts, week=counts, ever=counts)


def given(standing: Figures, *history: ReputationEvent) -> Reputation:
    after = reduce(lambda state, event: evolve(state, event, NOW), history, INITIAL)
    return replace(after, figures=standing)


def judged(reputation: Reputation, *, pausing: bool = True, at: datetime = NOW) -> list[str]:
    return [type(event).__name__ for event in decide(Judge(pausing), PROJECT, reputation, at)]


def levels(seen: Figures) -> dict[str, str]:
    return {finding.metric: finding.level for finding in findings(seen, NOW)}


def test_a_project_below_all_limits_is_not_warned() -> None:
    assert judged(given(figures(100_000, 3_000, 20))) == []


@pytest.mark.parametrize("seen, expected", [
    (figures(1000, 51), {"bounce7Day": "warning", "bounceAllTime": "warning"}),
    (figures(1000, 50), {"bounceAllTime": "warning"}),
    (figures(1000, 101), {"bounce7Day": "critical", "bounceAllTime": "critical"}),
    (figures(1000, 81), {"bounce7Day": "warning", "bounceAllTime": "critical"}),
    (figures(10_000, 0, 8), {"complaint7Day": "warning", "complaintAllTime": "warning"}),
    (figures(10_000, 0, 16), {"complaint7Day": "critical", "complaintAllTime": "critical"}),
    (figures(1_000, 0, 4), {"complaint7Day": "warning", "complaintAllTime": "warning"}),
    (figures(1_000, 0, 2), {}),
])  # fmt: skip
def test_a_rate_counts_from_a_minimum_of_bounces_or_complaints(seen: Figures, expected: dict[str, str]) -> None:
    assert levels(seen) == expected


def test_no_rate_counts_below_a_hundred_mails() -> None:
    assert levels(figures(99, 99, 99)) == {}
    assert levels(figures(99, 99, 99, since=NEW)) == {}


def test_a_new_project_is_judged_by_counts_as_well() -> None:
    assert levels(figures(10_000, 26)) == {}
    found = findings(figures(10_000, 26, since=NEW), NOW)
    assert [(each.metric, each.level, each.value, each.is_count) for each in found] == [
        ("bounce24Hour", "critical", 26, True),
        ("bounce7Day", "warning", 26, True),
    ]


def test_exceeding_a_critical_limit_pauses_bulk_mail_and_names_the_figures() -> None:
    [paused] = decide(Judge(pausing=True), PROJECT, given(figures(1000, 101)), NOW)
    assert isinstance(paused, SendingPaused)
    assert paused.reason == "EMAIL_REPUTATION"
    assert [(each.metric, each.value, each.limit, each.sent) for each in paused.findings] == [
        ("bounce7Day", 10.1, 10.0, 1000),
        ("bounceAllTime", 10.1, 8.0, 1000),
    ]


def test_without_pausing_a_critical_limit_leads_to_a_warning() -> None:
    assert judged(given(figures(1000, 101)), pausing=False) == ["ReputationWarned"]


def test_a_project_is_warned_once_a_day() -> None:
    warned = given(figures(1000, 60), *decide(Judge(pausing=True), PROJECT, given(figures(1000, 60)), NOW))
    assert warned.standing == "WARNED"
    assert judged(warned, at=NOW + timedelta(hours=23)) == []
    assert judged(warned, at=NOW + timedelta(hours=25)) == ["ReputationWarned"]


def test_a_warned_project_can_still_be_paused() -> None:
    warned = given(figures(1000, 200), *decide(Judge(pausing=True), PROJECT, given(figures(1000, 60)), NOW))
    assert judged(warned) == ["SendingPaused"]


def test_a_paused_project_is_not_paused_again() -> None:
    paused = given(figures(1000, 900), SendingPaused(project_id=PROJECT, reason="EMAIL_REPUTATION"))
    assert judged(paused) == []
    assert decide(PauseSending(by="operator"), PROJECT, paused, NOW) == []


def test_an_operator_pauses_and_resumes() -> None:
    [paused] = decide(PauseSending(by="ann", note="audit"), PROJECT, INITIAL, NOW)
    assert paused == SendingPaused(project_id=PROJECT, reason="MANUAL", by="ann", note="audit")
    seen = figures(1000, 300)
    [resumed] = decide(ResumeSending(by="ann"), PROJECT, given(seen, paused), NOW)
    assert resumed == SendingResumed(project_id=PROJECT, forgiven=seen.hour, by="ann")
    assert given(seen, paused, resumed).standing == "HEALTHY"
    assert decide(ResumeSending(by="ann"), PROJECT, given(seen, paused, resumed), NOW) == []
