"""The campaign decider: every command in every state."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import Any, get_args
from uuid import uuid4

import pytest
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import (
    CampaignCancelled,
    CampaignCreated,
    CampaignDeleted,
    CampaignFailed,
    CampaignMissed,
    CampaignPaused,
    CampaignResolving,
    CampaignResumed,
    CampaignScheduled,
    CampaignSendingStarted,
    CampaignSent,
    CampaignStatus,
    CampaignUnscheduled,
    CampaignUpdated,
    CancelCampaign,
    CreateCampaign,
    DeleteCampaign,
    DuplicateCampaign,
    PauseCampaign,
    ResumeCampaign,
    ScheduleCampaign,
    SendCampaign,
    SendWindow,
    UnscheduleCampaign,
    UpdateCampaign,
)
from libs.schemas.contacts.contacts import Condition, Filter, Group
from libs.schemas.delivery.content import Content
from services.campaigns.campaigns.campaign import (
    INITIAL,
    Command,
    Due,
    Event,
    decide,
    evolve,
)
from services.campaigns.campaigns.state import Absent, Campaign, State
from services.campaigns.campaigns.timers import CampaignDue

NOW = datetime(2026, 11, 21, tzinfo=UTC)
SOON = NOW + timedelta(hours=3)
ID = uuid4()
CONTENT = Content(subject="News", body="Hello {{ name }}", from_email="us@example.com")
EVERYONE = Audience(audience_type="ALL")
ALLOWED = Absent(verified_domains=frozenset({"example.com"}))

CREATE = CreateCampaign(campaign_id=ID, name="News", content=CONTENT, audience=EVERYONE)
SEND = SendCampaign(campaign_id=ID)
COMMANDS: dict[str, Command] = {
    "update": UpdateCampaign(campaign_id=ID, name="Other"),
    "delete": DeleteCampaign(campaign_id=ID),
    "send": SEND,
    "schedule": ScheduleCampaign(campaign_id=ID, scheduled_for=SOON),
    "unschedule": UnscheduleCampaign(campaign_id=ID),
    "cancel": CancelCampaign(campaign_id=ID),
    "pause": PauseCampaign(campaign_id=ID),
    "resume": ResumeCampaign(campaign_id=ID),
}

CREATED = CampaignCreated(campaign_id=ID, name="News", content=CONTENT, audience=EVERYONE)
SCHEDULED = CampaignScheduled(campaign_id=ID, scheduled_for=NOW + timedelta(hours=1))
STARTED = CampaignSendingStarted(campaign_id=ID, content=CONTENT, audience=EVERYONE)
RESOLVING = CampaignResolving(campaign_id=ID)
PAUSED = CampaignPaused(campaign_id=ID)
CANCELLED = CampaignCancelled(campaign_id=ID)
SENT = CampaignSent(campaign_id=ID, recipients=3)
MISSED = CampaignMissed(campaign_id=ID, scheduled_for=NOW)

HISTORIES: dict[CampaignStatus, tuple[Event, ...]] = {
    "DRAFT": (CREATED,),
    "SCHEDULED": (CREATED, SCHEDULED),
    "QUEUED": (CREATED, STARTED),
    "SENDING": (CREATED, STARTED, RESOLVING),
    "PAUSED": (CREATED, STARTED, RESOLVING, PAUSED),
    "SENT": (CREATED, STARTED, RESOLVING, SENT),
    "FAILED": (CREATED, SCHEDULED, MISSED),
    "CANCELLED": (CREATED, STARTED, CANCELLED),
}

UPDATED = CampaignUpdated(campaign_id=ID, name="Other", content=CONTENT, audience=EVERYONE)
DELETED = CampaignDeleted(campaign_id=ID)
MOVED = CampaignScheduled(campaign_id=ID, scheduled_for=SOON)
UNSCHEDULED = CampaignUnscheduled(campaign_id=ID)
RESUMED = CampaignResumed(campaign_id=ID)

TABLE: dict[str, dict[CampaignStatus, Event | str]] = {
    "update": {
        "DRAFT": UPDATED,
        "SCHEDULED": UPDATED,
        "FAILED": UPDATED,
    },
    "delete": {"DRAFT": DELETED, "SENT": DELETED, "FAILED": DELETED, "CANCELLED": DELETED},
    "send": {"DRAFT": STARTED, "SCHEDULED": STARTED, "FAILED": STARTED},
    "schedule": {"DRAFT": MOVED, "SCHEDULED": MOVED, "FAILED": MOVED},
    "unschedule": {"SCHEDULED": UNSCHEDULED},
    "cancel": {"SCHEDULED": CANCELLED, "QUEUED": CANCELLED, "SENDING": CANCELLED, "PAUSED": CANCELLED},
    "pause": {"QUEUED": PAUSED, "SENDING": PAUSED},
    "resume": {"PAUSED": RESUMED},
}
"""The event of each command in each status. Where there is none, the command is rejected with its own code."""
CODES = {
    "update": "CAMPAIGN_NOT_EDITABLE",
    "delete": "CAMPAIGN_NOT_DELETABLE",
    "send": "CAMPAIGN_NOT_SENDABLE",
    "schedule": "CAMPAIGN_NOT_SENDABLE",
    "unschedule": "CAMPAIGN_NOT_UNSCHEDULABLE",
    "cancel": "CAMPAIGN_NOT_CANCELABLE",
    "pause": "CAMPAIGN_NOT_PAUSABLE",
    "resume": "CAMPAIGN_NOT_RESUMABLE",
}


def given(*history: Event) -> Any:
    """Return the state as it would be loaded, without transitions of this batch."""
    state = reduce(evolve, history, INITIAL)
    if isinstance(state, Campaign):
        return replace(state, transitioned=False, verified_domains=frozenset({"example.com"}))
    return state


def refusal(command: Command | Due, state: State) -> Rejected:
    with pytest.raises(Rejected) as no:
        decide(command, state, NOW)
    return no.value


def test_the_rate_and_the_window_are_frozen_with_the_content() -> None:
    window = SendWindow(start="22:00", end="06:00")
    paced = given(*decide(replace(CREATE, send_rate=100, send_window=window), ALLOWED, NOW))
    [started] = decide(SEND, replace(paced, verified_domains=ALLOWED.verified_domains), NOW)
    assert isinstance(started, CampaignSendingStarted)
    assert (started.send_rate, started.send_window) == (100, window)


def test_a_send_window_that_starts_and_ends_at_the_same_time_is_rejected() -> None:
    with pytest.raises(Rejected) as no:
        decide(replace(CREATE, send_window=SendWindow(start="09:00", end="09:00")), ALLOWED, NOW)
    assert [error.field for error in no.value.errors] == ["sendWindow.end"]


def test_there_is_a_history_for_every_status() -> None:
    assert set(HISTORIES) == set(get_args(CampaignStatus))
    assert {status: given(*history).status for status, history in HISTORIES.items()} == {
        status: status for status in HISTORIES
    }


@pytest.mark.parametrize("status", HISTORIES)
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_in_every_status(name: str, status: CampaignStatus) -> None:
    state, command = given(*HISTORIES[status]), COMMANDS[name]
    expected = TABLE[name].get(status)
    if expected is None:
        assert refusal(command, state).code == CODES[name]
    else:
        assert decide(command, state, NOW) == [expected]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("state", [INITIAL, given(CREATED, DELETED)], ids=["never was", "deleted"])
def test_a_missing_campaign_is_not_found(name: str, state: State) -> None:
    assert refusal(COMMANDS[name], state).code == "CAMPAIGN_NOT_FOUND"


@pytest.mark.parametrize("status", HISTORIES)
@pytest.mark.parametrize("name", COMMANDS)
def test_an_overtaken_command_is_rejected_as_such_if_it_is_not_allowed_any_more(
    name: str, status: CampaignStatus
) -> None:
    state = replace(given(*HISTORIES[status]), transitioned_at=NOW)
    early = replace(COMMANDS[name], asked_at=NOW - timedelta(milliseconds=1))
    late = replace(COMMANDS[name], asked_at=NOW + timedelta(milliseconds=1))
    if status in TABLE[name]:
        assert decide(early, state, NOW) == decide(late, state, NOW)
    else:
        assert refusal(early, state).code == "CAMPAIGN_TRANSITION_IN_PROGRESS"
        assert refusal(late, state).code == CODES[name]


def test_the_second_of_two_simultaneous_transitions_is_overtaken() -> None:
    state = evolve(given(CREATED), STARTED)
    assert refusal(SEND, state).code == "CAMPAIGN_TRANSITION_IN_PROGRESS"


def test_transitions_of_the_run_itself_overtake_nothing() -> None:
    state = evolve(given(CREATED, STARTED), RESOLVING)
    assert refusal(SEND, state).code == "CAMPAIGN_NOT_SENDABLE"
    assert refusal(COMMANDS["pause"], evolve(state, SENT)).code == "CAMPAIGN_NOT_PAUSABLE"


def test_a_campaign_is_created_as_a_draft() -> None:
    assert decide(CREATE, ALLOWED, NOW) == [CREATED]


@pytest.mark.parametrize("status", HISTORIES)
def test_creating_the_same_campaign_again_changes_nothing(status: CampaignStatus) -> None:
    assert decide(CREATE, given(*HISTORIES[status]), NOW) == []


@pytest.mark.parametrize("status", HISTORIES)
def test_another_campaign_cannot_take_the_id(status: CampaignStatus) -> None:
    assert refusal(replace(CREATE, name="Other"), given(*HISTORIES[status])).code == "CONFLICT"


def test_a_duplicate_is_a_draft_with_the_same_content_and_a_name_that_says_so() -> None:
    original = given(*HISTORIES["SENT"]).draft
    [copy] = decide(DuplicateCampaign(campaign_id=ID, original_id=uuid4()), Absent(original=original), NOW)
    assert copy == replace(CREATED, name="News (Copy)")


def test_a_duplicate_of_a_missing_campaign_is_not_found() -> None:
    command = DuplicateCampaign(campaign_id=ID, original_id=uuid4())
    assert refusal(command, INITIAL).code == "CAMPAIGN_NOT_FOUND"


def test_the_name_of_a_duplicate_is_not_longer_than_allowed() -> None:
    original = replace(given(CREATED).draft, name="x" * 100)
    [copy] = decide(DuplicateCampaign(campaign_id=ID, original_id=uuid4()), Absent(original=original), NOW)
    assert isinstance(copy, CampaignCreated)
    assert (len(copy.name), copy.name[-7:]) == (100, " (Copy)")


# --- readiness -------------------------------------------------------------------------------------------------------


def test_a_draft_needs_only_a_name() -> None:
    bare = replace(CREATE, content=Content(subject="", body="", from_email=""), audience=None)
    [created] = decide(bare, ALLOWED, NOW)
    state = given(created)
    assert state.readiness.missing == ["senderEmail", "subject", "content", "audience"]
    for command in (SEND, COMMANDS["schedule"]):
        no = refusal(command, state)
        assert (no.code, no.details) == ("CAMPAIGN_NOT_READY", {"missing": state.readiness.missing})


def test_a_campaign_is_not_ready_once_its_sender_domain_is_not_verified() -> None:
    state = replace(given(CREATED), verified_domains=frozenset())
    assert refusal(SEND, state).details == {"missing": ["senderEmail"]}


def test_a_scheduled_campaign_stays_ready() -> None:
    assert refusal(UpdateCampaign(campaign_id=ID, subject=None), given(CREATED, SCHEDULED)).code == "CAMPAIGN_NOT_READY"


def test_an_unverified_sender_domain_is_rejected() -> None:
    other = Absent(verified_domains=frozenset({"other.org"}))
    assert refusal(CREATE, other).code == "DOMAIN_NOT_VERIFIED"
    moved = UpdateCampaign(campaign_id=ID, from_email="us@other.org")
    assert refusal(moved, given(CREATED)).code == "DOMAIN_NOT_VERIFIED"


def test_content_with_a_syntax_error_is_rejected() -> None:
    broken = replace(CREATE, content=replace(CONTENT, body="{% if %}"), preheader="{{ x")
    assert [error.field for error in refusal(broken, ALLOWED).errors] == ["body", "preheader"]


@pytest.mark.parametrize(
    ("audience", "field"),
    [
        (Audience(audience_type="SEGMENT"), "segmentId"),
        (Audience(audience_type="FILTERED"), "audienceCondition"),
    ],
)
def test_an_audience_needs_the_fields_of_its_type(audience: Audience, field: str) -> None:
    no = refusal(replace(CREATE, audience=audience), ALLOWED)
    assert no.code == "VALIDATION_ERROR"
    assert [error.field for error in no.errors] == [field]


@pytest.mark.parametrize(
    "audience",
    [
        EVERYONE,
        Audience(audience_type="SEGMENT", segment_id=uuid4()),
        Audience(audience_type="SEGMENT", list_id=uuid4()),
        Audience(
            audience_type="FILTERED",
            audience_condition=Condition(
                logic="AND", groups=[Group(filters=[Filter(field="data.plan", operator="equals", value="pro")])]
            ),
        ),
    ],
    ids=["all", "segment", "list", "filtered"],
)
def test_the_audience_is_stored_and_frozen(audience: Audience) -> None:
    [created] = decide(replace(CREATE, audience=audience), ALLOWED, NOW)
    assert isinstance(created, CampaignCreated)
    assert created.audience == audience
    [started] = decide(SEND, given(created), NOW)
    assert isinstance(started, CampaignSendingStarted)
    assert started.audience == audience


def test_the_frozen_body_starts_with_the_preheader() -> None:
    [created] = decide(replace(CREATE, preheader="Tom & {{ name }}"), ALLOWED, NOW)
    [started] = decide(SEND, given(created), NOW)
    assert isinstance(started, CampaignSendingStarted)
    assert started.content.body.endswith(">Tom &amp; {{ name }}</div>Hello {{ name }}")


# --- schedules -------------------------------------------------------------------------------------------------------

DUE = CampaignDue(campaign_id=ID, scheduled_for=SCHEDULED.scheduled_for)


@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=59)])
def test_a_due_campaign_is_sent(late: timedelta) -> None:
    assert decide(DUE, given(CREATED, SCHEDULED), SCHEDULED.scheduled_for + late) == [STARTED]


def test_a_campaign_that_is_more_than_an_hour_late_is_missed() -> None:
    state = given(CREATED, SCHEDULED)
    missed = CampaignMissed(campaign_id=ID, scheduled_for=SCHEDULED.scheduled_for)
    assert decide(DUE, state, SCHEDULED.scheduled_for + timedelta(hours=1, seconds=1)) == [missed]
    after = evolve(state, missed)
    assert isinstance(after, Campaign)
    assert after.failure and after.failure.code == "MISSED"


def test_a_campaign_that_is_not_ready_when_due_fails_with_the_reason() -> None:
    state = replace(given(CREATED, SCHEDULED), verified_domains=frozenset())
    [failed] = decide(DUE, state, SCHEDULED.scheduled_for)
    assert isinstance(failed, CampaignFailed)
    assert (failed.code, "senderEmail" in failed.reason) == ("CAMPAIGN_NOT_READY", True)
    again = evolve(evolve(state, failed), STARTED)
    assert isinstance(again, Campaign)
    assert (again.status, again.failure) == ("QUEUED", None)


@pytest.mark.parametrize("status", [status for status in HISTORIES if status != "SCHEDULED"])
def test_a_timer_of_an_unscheduled_campaign_does_nothing(status: CampaignStatus) -> None:
    assert decide(DUE, given(*HISTORIES[status]), SCHEDULED.scheduled_for) == []


def test_a_timer_of_a_rescheduled_campaign_does_nothing() -> None:
    assert decide(DUE, given(CREATED, SCHEDULED, MOVED), SCHEDULED.scheduled_for) == []
    assert decide(DUE, INITIAL, SCHEDULED.scheduled_for) == []


def test_a_schedule_must_be_in_the_future() -> None:
    past = ScheduleCampaign(campaign_id=ID, scheduled_for=NOW)
    assert [error.field for error in refusal(past, given(CREATED)).errors] == ["scheduledFor"]


def test_scheduling_for_the_same_time_again_changes_nothing() -> None:
    again = ScheduleCampaign(campaign_id=ID, scheduled_for=SCHEDULED.scheduled_for)
    assert decide(again, given(CREATED, SCHEDULED), NOW) == []
