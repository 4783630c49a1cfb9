"""The process manager: every input in every state, and every step."""

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
    Enter,
    Event,
    Execution,
    Input,
    State,
    decide,
    evolve,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID, WORKFLOW, CONTACT, TEMPLATE = (uuid4() for _ in range(4))
OF: dict[str, Any] = {"execution_id": ID, "workflow_id": WORKFLOW, "contact_id": CONTACT}


def step(kind: StepType, config: dict[str, Any] | None = None) -> Step:
    return Step(id=uuid4(), type_=kind, name="step", config=config or {})


TRIGGER = step("TRIGGER", {"eventName": "signup"})
MAIL = step("SEND_EMAIL", {"templateId": str(TEMPLATE)})
WAIT = step("DELAY", {"amount": 1.5, "unit": "hours"})
ASK = step("CONDITION", {"field": "data.plan", "operator": "equals", "value": "pro"})
END = step("EXIT", {"reason": "done"})


def chain(*steps: Step) -> Graph:
    """The steps one after another."""
    ways = tuple(Transition(id=uuid4(), from_step_id=a.id, to_step_id=b.id) for a, b in pairwise(steps))
    return Graph(steps, ways)


ENTER = Enter(
    execution_id=ID,
    workflow_id=WORKFLOW,
    trigger_step_id=TRIGGER.id,
    contact_id=CONTACT,
    email="ann@example.com",
    trigger_event="signup",
    context={"plan": "pro"},
    allow_reentry=False,
    entries=0,
    active=False,
)
STARTED = ExecutionStarted(
    **OF, email="ann@example.com", trigger_event="signup", context={"plan": "pro"}, step_id=TRIGGER.id
)


def came_to(at: Step | None, output: dict[str, Any] | None = None) -> StepCompleted:
    return StepCompleted(**OF, step_id=TRIGGER.id, output=output or {}, next_step_id=at.id if at else None)


DELAYED = DelayStarted(**OF, step_id=WAIT.id, until=NOW + timedelta(hours=1))


def given(*history: Event) -> State:
    return reduce(evolve, history, INITIAL)


def run(*history: Event) -> Execution:
    state = given(STARTED, *history)
    assert isinstance(state, Execution)
    return state


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


# --- entering ---


def test_a_contact_enters_at_the_trigger_step() -> None:
    assert decide(ENTER, INITIAL, NOW) == [STARTED]
    assert (run().status, run().step_id, run().due(NOW)) == ("RUNNING", TRIGGER.id, NOW)


@pytest.mark.parametrize(
    ("allow_reentry", "entries", "active", "enters"),
    [
        (False, 0, False, True),
        (False, 1, False, False),
        (False, 1, True, False),
        (True, 0, False, True),
        (True, 3, False, True),
        (True, 3, True, False),
    ],
)
def test_without_reentry_once_is_for_ever_and_with_it_one_at_a_time(
    allow_reentry: bool, entries: int, active: bool, enters: bool
) -> None:
    enter = replace(ENTER, allow_reentry=allow_reentry, entries=entries, active=active)
    events = decide(enter, INITIAL, NOW)
    assert len(events) == enters
    assert all(isinstance(event, ExecutionStarted) and event.entry == entries for event in events)


# --- every input in every state ---


ENDED: list[Event] = [
    ExecutionCompleted(**OF),
    ExecutionExited(**OF, reason="done"),
    ExecutionFailed(**OF, step_id=MAIL.id, reason="broken"),
]
GRAPH = chain(TRIGGER, MAIL, WAIT, ASK, END)


@pytest.mark.parametrize("history", [(STARTED,), (STARTED, came_to(WAIT), DELAYED), *((STARTED, end) for end in ENDED)])
def test_entering_again_changes_nothing(history: tuple[Event, ...]) -> None:
    assert decide(ENTER, given(*history), NOW) == []


@pytest.mark.parametrize("end", ENDED)
@pytest.mark.parametrize("late", [Advance(graph=GRAPH), Advance(graph=GRAPH, failure="late"), Advance(graph=Graph())])
def test_what_has_ended_stays_as_it_ended(end: Event, late: Input) -> None:
    ended = given(STARTED, end)
    assert decide(late, ended, NOW) == []
    assert isinstance(ended, Execution)
    assert (ended.active, ended.due(NOW)) == (False, None)


def test_what_has_not_begun_cannot_advance() -> None:
    assert decide(Advance(graph=GRAPH), INITIAL, NOW) == []


@pytest.mark.parametrize("event", [came_to(MAIL), DELAYED, *ENDED])
def test_nothing_is_made_of_events_before_the_beginning(event: Event) -> None:
    assert evolve(INITIAL, event) == INITIAL


# --- steps ---


def test_it_goes_as_far_as_it_can_and_mails_on_the_way() -> None:
    events = decide(Advance(graph=GRAPH), given(STARTED), NOW)
    assert kinds(events) == [StepCompleted, EmailRequested, StepCompleted, DelayStarted]
    requested, delayed = events[1], events[3]
    assert requested == EmailRequested(
        **OF,
        step_id=MAIL.id,
        email_id=uuid5(ID, str(MAIL.id)),
        template_id=TEMPLATE,
        email="ann@example.com",
        context={"plan": "pro"},
    )
    assert delayed == DelayStarted(**OF, step_id=WAIT.id, until=NOW + timedelta(hours=1.5))
    assert run(*events).status == "WAITING"
    assert run(*events).due(NOW) == NOW + timedelta(hours=1.5)


def test_advancing_again_from_the_same_state_asks_for_the_same_mail() -> None:
    first, second = (decide(Advance(graph=GRAPH), given(STARTED), NOW) for _ in range(2))
    assert first == second


def test_a_delay_is_not_over_before_its_time() -> None:
    waiting = run(came_to(WAIT), DELAYED)
    assert decide(Advance(graph=GRAPH), waiting, DELAYED.until - timedelta(microseconds=1)) == []


def test_a_delay_is_over_at_its_time_and_the_way_goes_on() -> None:
    events = decide(Advance(graph=GRAPH), run(came_to(WAIT), DELAYED), DELAYED.until)
    assert [(type(event), getattr(event, "step_id", None)) for event in events] == [(StepCompleted, WAIT.id)]
    gone_on = run(came_to(WAIT), DELAYED, *events)
    assert (gone_on.status, gone_on.step_id, gone_on.until) == ("RUNNING", ASK.id, None)


def test_a_delay_after_a_delay_waits_as_well() -> None:
    second = step("DELAY", {"amount": 1, "unit": "days"})
    graph = chain(TRIGGER, WAIT, second)
    events = decide(Advance(graph=graph), run(came_to(WAIT), DELAYED), DELAYED.until)
    assert kinds(events) == [StepCompleted, DelayStarted]
    assert run(came_to(WAIT), DELAYED, *events).until == DELAYED.until + timedelta(days=1)


def test_a_delay_with_nothing_after_it_completes() -> None:
    events = decide(Advance(graph=chain(TRIGGER, WAIT)), run(came_to(WAIT), DELAYED), DELAYED.until)
    assert kinds(events) == [StepCompleted, ExecutionCompleted]


def test_a_condition_waits_for_its_answer() -> None:
    assert decide(Advance(graph=GRAPH), run(came_to(ASK)), NOW) == []


@pytest.mark.parametrize("branch", ["yes", "no"])
def test_the_answer_chooses_the_way(branch: str) -> None:
    ways = {"yes": MAIL, "no": END}
    transitions = tuple(
        Transition(id=uuid4(), from_step_id=ASK.id, to_step_id=to.id, condition=Branch(branch=name))
        for name, to in ways.items()
    )
    graph = Graph((TRIGGER, ASK, MAIL, END), transitions)
    first, *_ = decide(Advance(graph=graph, branch=branch), run(came_to(ASK)), NOW)
    assert isinstance(first, StepCompleted)
    assert (first.branch, first.next_step_id) == (branch, ways[branch].id)
    assert first.output["result"] is (branch == "yes")


def test_a_branch_that_leads_nowhere_completes() -> None:
    graph = Graph((ASK,))
    assert kinds(decide(Advance(graph=graph, branch="no"), run(came_to(ASK)), NOW)) == [
        StepCompleted,
        ExecutionCompleted,
    ]


def test_an_answer_is_for_the_condition_at_hand_only() -> None:
    other = step("CONDITION", {"field": "data.other", "operator": "exists"})
    graph = chain(TRIGGER, ASK, other, END)
    events = decide(Advance(graph=graph, branch="yes"), run(came_to(ASK)), NOW)
    assert [(type(event), getattr(event, "step_id", None)) for event in events] == [(StepCompleted, ASK.id)]


def test_an_exit_ends_it_with_its_reason() -> None:
    events = decide(Advance(graph=GRAPH), run(came_to(END)), NOW)
    assert kinds(events) == [StepCompleted, ExecutionExited]
    assert (run(*events).status, run(*events).reason, run(*events).step_id) == ("EXITED", "done", None)


def test_the_end_of_the_graph_completes_it() -> None:
    events = decide(Advance(graph=chain(TRIGGER)), given(STARTED), NOW)
    assert kinds(events) == [StepCompleted, ExecutionCompleted]
    assert run(*events).status == "COMPLETED"


# --- addresses ---


def nobody_at(at: Step) -> State:
    return given(replace(STARTED, email=""), came_to(at))


def test_a_mail_waits_until_the_address_is_looked_up() -> None:
    assert decide(Advance(graph=GRAPH), nobody_at(MAIL), NOW) == []
    requested, *_ = decide(Advance(graph=GRAPH, email="found@example.com"), nobody_at(MAIL), NOW)
    assert isinstance(requested, EmailRequested)
    assert requested.email == "found@example.com"


def test_a_custom_recipient_gets_the_mail_instead_of_the_contact() -> None:
    recipient = {"type": "CUSTOM", "customEmail": "boss@example.com"}
    boss = replace(MAIL, config={**MAIL.config, "recipient": recipient})
    requested, completed, *_ = decide(Advance(graph=chain(boss)), run(came_to(boss)), NOW)
    assert isinstance(requested, EmailRequested)
    assert isinstance(completed, StepCompleted)
    assert (requested.email, requested.contact_id) == ("boss@example.com", CONTACT)
    assert completed.output["recipientType"] == "CUSTOM"


# --- failing ---


@pytest.mark.parametrize("history", [(), (came_to(WAIT), DELAYED), (came_to(ASK),)])
def test_what_cannot_be_looked_up_fails_it(history: tuple[Event, ...]) -> None:
    at = run(*history)
    events = decide(Advance(graph=GRAPH, failure="Contact not found"), at, NOW)
    assert events == [ExecutionFailed(**OF, step_id=at.step_id, reason="Contact not found")]
    assert (run(*history, *events).status, run(*history, *events).reason) == ("FAILED", "Contact not found")


def test_a_step_that_is_gone_fails_it() -> None:
    events = decide(Advance(graph=Graph()), given(STARTED), NOW)
    assert events == [ExecutionFailed(**OF, step_id=TRIGGER.id, reason="Workflow step not found")]


def test_a_step_that_is_not_configured_fails_it() -> None:
    empty = step("SEND_EMAIL")
    [failed] = decide(Advance(graph=chain(empty)), run(came_to(empty)), NOW)
    assert isinstance(failed, ExecutionFailed)
    assert (failed.step_id, failed.reason) == (empty.id, "SEND_EMAIL step is not configured: config.templateId")


def test_all_events_of_a_way_name_their_execution() -> None:
    state, names = given(STARTED), ("execution_id", "workflow_id", "contact_id")
    for event in decide(Advance(graph=GRAPH), state, NOW):
        assert [getattr(event, name) for name in names] == [ID, WORKFLOW, CONTACT]
        assert isinstance(getattr(event, "step_id", UUID(int=0)), UUID)
