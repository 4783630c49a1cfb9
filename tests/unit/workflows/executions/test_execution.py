"""The process manager of executions: every command in every state, and every step."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from msgspec.structs import replace

from libs.schemas.workflows import (
    Branch,
    DelayStarted,
    EmailRequested,
    ExecutionCompleted,
    ExecutionExited,
    ExecutionFailed,
    ExecutionStarted,
    Step,
    StepCompleted,
    StepType,
    Transition,
)
from services.workflows.definitions.graph import Graph
from services.workflows.executions.execution import (
    INITIAL,
    Advance,
    Command,
    Enroll,
    Event,
    Execution,
    State,
    decide,
    evolve,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID, WORKFLOW, CONTACT, TEMPLATE = (uuid4() for _ in range(4))
IDS: dict[str, Any] = {"execution_id": ID, "workflow_id": WORKFLOW, "contact_id": CONTACT}


def step(kind: StepType, config: dict[str, Any] | None = None) -> Step:
    return Step(id=uuid4(), type_=kind, name="step", config=config or {})


TRIGGER = step("TRIGGER", {"eventName": "signup"})
MAIL = step("SEND_EMAIL", {"templateId": str(TEMPLATE)})
WAIT = step("DELAY", {"amount": 1.5, "unit": "hours"})
ASK = step("CONDITION", {"field": "data.plan", "operator": "equals", "value": "pro"})
END = step("EXIT", {"reason": "done"})


def chain(*steps: Step) -> Graph:
    """Connect the steps one after another."""
    transitions = tuple(Transition(id=uuid4(), from_step_id=a.id, to_step_id=b.id) for a, b in pairwise(steps))
    return Graph(steps, transitions)


ENROLL = Enroll(
    execution_id=ID,
    workflow_id=WORKFLOW,
    trigger_step_id=TRIGGER.id,
    contact_id=CONTACT,
    email="ann@example.com",
    trigger_event="signup",
    context={"plan": "pro"},
    allow_reentry=False,
    earlier=0,
    active=False,
)
STARTED = ExecutionStarted(
    **IDS, email="ann@example.com", trigger_event="signup", context={"plan": "pro"}, step_id=TRIGGER.id
)


def moved_to(at: Step | None, output: dict[str, Any] | None = None) -> StepCompleted:
    return StepCompleted(**IDS, step_id=TRIGGER.id, output=output or {}, next_step_id=at.id if at else None)


DELAYED = DelayStarted(**IDS, step_id=WAIT.id, until=NOW + timedelta(hours=1))


def given(*history: Event) -> State:
    return reduce(evolve, history, INITIAL)


def run(*history: Event) -> Execution:
    state = given(STARTED, *history)
    assert isinstance(state, Execution)
    return state


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


# --- enrollment ---


def test_an_execution_starts_at_the_trigger_step() -> None:
    assert decide(ENROLL, INITIAL, NOW) == [STARTED]
    assert (run().status, run().step_id, run().due(NOW)) == ("RUNNING", TRIGGER.id, NOW)


@pytest.mark.parametrize(
    ("allow_reentry", "earlier", "active", "enrolled"),
    [
        (False, 0, False, True),
        (False, 1, False, False),
        (False, 1, True, False),
        (True, 0, False, True),
        (True, 3, False, True),
        (True, 3, True, False),
    ],
)
def test_a_contact_is_enrolled_once_or_with_reentry_one_execution_at_a_time(
    allow_reentry: bool, earlier: int, active: bool, enrolled: bool
) -> None:
    enroll = replace(ENROLL, allow_reentry=allow_reentry, earlier=earlier, active=active)
    events = decide(enroll, INITIAL, NOW)
    assert len(events) == enrolled
    assert all(isinstance(event, ExecutionStarted) and event.entry == earlier for event in events)


# --- every command in every state ---


ENDED: list[Event] = [
    ExecutionCompleted(**IDS),
    ExecutionExited(**IDS, reason="done"),
    ExecutionFailed(**IDS, step_id=MAIL.id, reason="broken"),
]
GRAPH = chain(TRIGGER, MAIL, WAIT, ASK, END)


@pytest.mark.parametrize(
    "history", [(STARTED,), (STARTED, moved_to(WAIT), DELAYED), *((STARTED, end) for end in ENDED)]
)
def test_enrolling_again_changes_nothing(history: tuple[Event, ...]) -> None:
    assert decide(ENROLL, given(*history), NOW) == []


@pytest.mark.parametrize("end", ENDED)
@pytest.mark.parametrize("late", [Advance(graph=GRAPH), Advance(graph=GRAPH, failure="late"), Advance(graph=Graph())])
def test_an_ended_execution_does_not_change(end: Event, late: Command) -> None:
    ended = given(STARTED, end)
    assert decide(late, ended, NOW) == []
    assert isinstance(ended, Execution)
    assert (ended.active, ended.due(NOW)) == (False, None)


def test_an_execution_that_has_not_started_cannot_advance() -> None:
    assert decide(Advance(graph=GRAPH), INITIAL, NOW) == []


@pytest.mark.parametrize("event", [moved_to(MAIL), DELAYED, *ENDED])
def test_events_before_the_start_are_ignored(event: Event) -> None:
    assert evolve(INITIAL, event) == INITIAL


# --- steps ---


def test_an_execution_advances_to_the_next_delay_and_sends_mail_on_the_way() -> None:
    events = decide(Advance(graph=GRAPH), given(STARTED), NOW)
    assert kinds(events) == [StepCompleted, EmailRequested, StepCompleted, DelayStarted]
    requested, delayed = events[1], events[3]
    assert requested == EmailRequested(
        **IDS,
        step_id=MAIL.id,
        email_id=uuid5(ID, str(MAIL.id)),
        template_id=TEMPLATE,
        email="ann@example.com",
        context={"plan": "pro"},
    )
    assert delayed == DelayStarted(**IDS, step_id=WAIT.id, until=NOW + timedelta(hours=1.5))
    assert run(*events).status == "WAITING"
    assert run(*events).due(NOW) == NOW + timedelta(hours=1.5)


def test_advancing_again_from_the_same_state_requests_the_same_mail() -> None:
    first, second = (decide(Advance(graph=GRAPH), given(STARTED), NOW) for _ in range(2))
    assert first == second


def test_a_delay_does_not_end_early() -> None:
    waiting = run(moved_to(WAIT), DELAYED)
    assert decide(Advance(graph=GRAPH), waiting, DELAYED.until - timedelta(microseconds=1)) == []


def test_an_execution_goes_on_when_its_delay_ends() -> None:
    events = decide(Advance(graph=GRAPH), run(moved_to(WAIT), DELAYED), DELAYED.until)
    assert [(type(event), getattr(event, "step_id", None)) for event in events] == [(StepCompleted, WAIT.id)]
    resumed = run(moved_to(WAIT), DELAYED, *events)
    assert (resumed.status, resumed.step_id, resumed.until) == ("RUNNING", ASK.id, None)


def test_a_delay_after_a_delay_waits_as_well() -> None:
    second = step("DELAY", {"amount": 1, "unit": "days"})
    graph = chain(TRIGGER, WAIT, second)
    events = decide(Advance(graph=graph), run(moved_to(WAIT), DELAYED), DELAYED.until)
    assert kinds(events) == [StepCompleted, DelayStarted]
    assert run(moved_to(WAIT), DELAYED, *events).until == DELAYED.until + timedelta(days=1)


def test_a_delay_with_nothing_after_it_completes() -> None:
    events = decide(Advance(graph=chain(TRIGGER, WAIT)), run(moved_to(WAIT), DELAYED), DELAYED.until)
    assert kinds(events) == [StepCompleted, ExecutionCompleted]


def test_a_condition_waits_until_its_branch_is_chosen() -> None:
    assert decide(Advance(graph=GRAPH), run(moved_to(ASK)), NOW) == []


@pytest.mark.parametrize("branch", ["yes", "no"])
def test_the_chosen_branch_decides_the_next_step(branch: str) -> None:
    steps = {"yes": MAIL, "no": END}
    transitions = tuple(
        Transition(id=uuid4(), from_step_id=ASK.id, to_step_id=to.id, condition=Branch(branch=name))
        for name, to in steps.items()
    )
    graph = Graph((TRIGGER, ASK, MAIL, END), transitions)
    first, *_ = decide(Advance(graph=graph, branch=branch), run(moved_to(ASK)), NOW)
    assert isinstance(first, StepCompleted)
    assert (first.branch, first.next_step_id) == (branch, steps[branch].id)
    assert first.output["result"] is (branch == "yes")


def test_a_branch_without_a_transition_completes_the_execution() -> None:
    graph = Graph((ASK,))
    assert kinds(decide(Advance(graph=graph, branch="no"), run(moved_to(ASK)), NOW)) == [
        StepCompleted,
        ExecutionCompleted,
    ]


def test_a_chosen_branch_applies_to_the_current_condition_only() -> None:
    other = step("CONDITION", {"field": "data.other", "operator": "exists"})
    graph = chain(TRIGGER, ASK, other, END)
    events = decide(Advance(graph=graph, branch="yes"), run(moved_to(ASK)), NOW)
    assert [(type(event), getattr(event, "step_id", None)) for event in events] == [(StepCompleted, ASK.id)]


def test_an_exit_step_ends_the_execution_with_its_reason() -> None:
    events = decide(Advance(graph=GRAPH), run(moved_to(END)), NOW)
    assert kinds(events) == [StepCompleted, ExecutionExited]
    assert (run(*events).status, run(*events).reason, run(*events).step_id) == ("EXITED", "done", None)


def test_the_end_of_the_graph_completes_the_execution() -> None:
    events = decide(Advance(graph=chain(TRIGGER)), given(STARTED), NOW)
    assert kinds(events) == [StepCompleted, ExecutionCompleted]
    assert run(*events).status == "COMPLETED"


# --- addresses ---


def without_address_at(at: Step) -> State:
    return given(replace(STARTED, email=""), moved_to(at))


def test_a_mail_waits_until_the_address_is_looked_up() -> None:
    assert decide(Advance(graph=GRAPH), without_address_at(MAIL), NOW) == []
    requested, *_ = decide(Advance(graph=GRAPH, email="found@example.com"), without_address_at(MAIL), NOW)
    assert isinstance(requested, EmailRequested)
    assert requested.email == "found@example.com"


def test_a_custom_recipient_gets_the_mail_instead_of_the_contact() -> None:
    recipient = {"type": "CUSTOM", "customEmail": "boss@example.com"}
    boss = replace(MAIL, config={**MAIL.config, "recipient": recipient})
    requested, completed, *_ = decide(Advance(graph=chain(boss)), run(moved_to(boss)), NOW)
    assert isinstance(requested, EmailRequested)
    assert isinstance(completed, StepCompleted)
    assert (requested.email, requested.contact_id) == ("boss@example.com", CONTACT)
    assert completed.output["recipientType"] == "CUSTOM"


# --- failing ---


@pytest.mark.parametrize("history", [(), (moved_to(WAIT), DELAYED), (moved_to(ASK),)])
def test_a_failed_look_up_fails_the_execution(history: tuple[Event, ...]) -> None:
    at = run(*history)
    events = decide(Advance(graph=GRAPH, failure="Contact not found"), at, NOW)
    assert events == [ExecutionFailed(**IDS, step_id=at.step_id, reason="Contact not found")]
    assert (run(*history, *events).status, run(*history, *events).reason) == ("FAILED", "Contact not found")


def test_a_missing_step_fails_the_execution() -> None:
    events = decide(Advance(graph=Graph()), given(STARTED), NOW)
    assert events == [ExecutionFailed(**IDS, step_id=TRIGGER.id, reason="Workflow step not found")]


def test_a_step_without_a_valid_config_fails_the_execution() -> None:
    empty = step("SEND_EMAIL")
    [failed] = decide(Advance(graph=chain(empty)), run(moved_to(empty)), NOW)
    assert isinstance(failed, ExecutionFailed)
    assert (failed.step_id, failed.reason) == (empty.id, "SEND_EMAIL step is not configured: config.templateId")


def test_every_event_names_its_execution() -> None:
    state, names = given(STARTED), ("execution_id", "workflow_id", "contact_id")
    for event in decide(Advance(graph=GRAPH), state, NOW):
        assert [getattr(event, name) for name in names] == [ID, WORKFLOW, CONTACT]
        assert isinstance(getattr(event, "step_id", UUID(int=0)), UUID)
