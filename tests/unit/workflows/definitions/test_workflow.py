"""The decider of workflows: every command in every state."""

from datetime import UTC, datetime
from functools import reduce
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from libs.kernel.rejection import Rejected
from libs.schemas.workflows import (
    AddStep,
    AddTransition,
    Branch,
    CreateWorkflow,
    Step,
    StepAdded,
    StepType,
    Transition,
    TransitionAdded,
    UpdateWorkflow,
    WorkflowCreated,
    WorkflowUpdated,
)
from services.workflows.definitions.workflow import (
    INITIAL,
    MAX_STEPS,
    Command,
    Event,
    State,
    Workflow,
    decide,
    evolve,
)

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ID, TRIGGER = uuid4(), uuid4()
CREATE = CreateWorkflow(workflow_id=ID, trigger_step_id=TRIGGER, name="Welcome", event_name=" signup ")
CREATED = WorkflowCreated(workflow_id=ID, trigger_step_id=TRIGGER, name="Welcome", event_name="signup")


def step(kind: StepType = "EXIT", config: dict[str, Any] | None = None) -> Step:
    return Step(id=uuid4(), type_=kind, name="step", config=config or {})


MAIL = step("SEND_EMAIL", {"templateId": str(uuid4())})
ASK = step("CONDITION", {"field": "data.plan", "operator": "exists"})
END = step("EXIT")


def added(one: Step) -> StepAdded:
    return StepAdded(workflow_id=ID, step=one)


def between(start: Step | UUID, end: Step | UUID, branch: str | None = None) -> Transition:
    ids = [one if isinstance(one, UUID) else one.id for one in (start, end)]
    condition = Branch(branch=branch) if branch else None
    return Transition(id=uuid4(), from_step_id=ids[0], to_step_id=ids[1], condition=condition)


def connected(transition: Transition) -> TransitionAdded:
    return TransitionAdded(workflow_id=ID, transition=transition)


def given(*history: Event) -> State:
    return reduce(evolve, history, INITIAL)


def workflow(*history: Event) -> Workflow:
    state = given(CREATED, *history)
    assert isinstance(state, Workflow)
    return state


def rejection(command: Command, state: State) -> Rejected:
    with pytest.raises(Rejected) as no:
        decide(command, state, NOW)
    return no.value


# --- creating and changing ---


def test_a_workflow_is_created_with_its_trigger_step_disabled_and_without_reentry() -> None:
    assert decide(CREATE, INITIAL, NOW) == [CREATED]
    created = workflow()
    assert (created.enabled, created.allow_reentry) == (False, False)
    [trigger] = created.graph.steps
    assert (trigger.id, trigger.type_, trigger.config) == (TRIGGER, "TRIGGER", {"eventName": "signup"})


def test_creating_the_same_workflow_again_changes_nothing() -> None:
    assert decide(CREATE, given(CREATED), NOW) == []


def test_another_workflow_cannot_take_the_id() -> None:
    assert rejection(replace(CREATE, trigger_step_id=uuid4()), given(CREATED)).code == "CONFLICT"


@pytest.mark.parametrize("command", [replace(CREATE, event_name="  "), UpdateWorkflow(workflow_id=ID, event_name=" ")])
def test_an_event_name_is_required(command: Command) -> None:
    no = rejection(command, INITIAL if isinstance(command, CreateWorkflow) else given(CREATED))
    assert (no.code, no.errors[0].field) == ("VALIDATION_ERROR", "eventName")


@pytest.mark.parametrize(
    "command",
    [
        UpdateWorkflow(workflow_id=ID, enabled=True),
        AddStep(workflow_id=ID, step=END, transition_id=uuid4()),
        AddTransition(workflow_id=ID, transition=between(TRIGGER, END)),
    ],
)
def test_a_workflow_that_does_not_exist_cannot_be_changed(command: Command) -> None:
    assert rejection(command, INITIAL).code == "WORKFLOW_NOT_FOUND"


def test_only_the_fields_that_are_given_change() -> None:
    events = decide(UpdateWorkflow(workflow_id=ID, enabled=True), given(CREATED), NOW)
    assert events == [
        WorkflowUpdated(
            workflow_id=ID, name="Welcome", description=None, event_name="signup", enabled=True, allow_reentry=False
        )
    ]


def test_the_trigger_step_follows_the_event() -> None:
    [updated] = decide(UpdateWorkflow(workflow_id=ID, event_name="bought"), given(CREATED), NOW)
    assert workflow(updated).graph.steps[0].config == {"eventName": "bought"}


def test_setting_the_same_values_again_changes_nothing() -> None:
    same = UpdateWorkflow(workflow_id=ID, name="Welcome", event_name="signup", enabled=False, allow_reentry=False)
    assert decide(same, given(CREATED), NOW) == []


# --- steps ---


def test_a_step_is_connected_from_the_last_leaf() -> None:
    transition_id = uuid4()
    events = decide(AddStep(workflow_id=ID, step=MAIL, transition_id=transition_id), given(CREATED), NOW)
    transition = Transition(id=transition_id, from_step_id=TRIGGER, to_step_id=MAIL.id)
    assert events == [added(MAIL), connected(transition)]


def test_a_step_can_be_added_without_a_connection() -> None:
    command = AddStep(workflow_id=ID, step=MAIL, transition_id=uuid4(), auto_connect=False)
    assert decide(command, given(CREATED), NOW) == [added(MAIL)]


def test_nothing_is_connected_after_an_exit() -> None:
    state = given(CREATED, added(END), connected(between(TRIGGER, END)))
    assert decide(AddStep(workflow_id=ID, step=MAIL, transition_id=uuid4()), state, NOW) == [added(MAIL)]


def test_adding_the_same_step_again_changes_nothing() -> None:
    command = AddStep(workflow_id=ID, step=MAIL, transition_id=uuid4())
    assert decide(command, given(CREATED, added(MAIL)), NOW) == []


def test_another_step_cannot_take_the_id() -> None:
    command = AddStep(workflow_id=ID, step=replace(END, id=MAIL.id), transition_id=uuid4())
    assert rejection(command, given(CREATED, added(MAIL))).code == "CONFLICT"


def test_a_workflow_has_one_trigger() -> None:
    no = rejection(AddStep(workflow_id=ID, step=step("TRIGGER"), transition_id=uuid4()), given(CREATED))
    assert no.code == "CONFLICT"
    assert no.message.startswith("Workflow already has a trigger step. ")


def test_a_step_with_an_invalid_config_is_rejected() -> None:
    broken = step("DELAY", {"amount": 0, "unit": "days"})
    no = rejection(AddStep(workflow_id=ID, step=broken, transition_id=uuid4()), given(CREATED))
    assert [error.field for error in no.errors] == ["config.amount"]


def test_the_number_of_steps_is_limited() -> None:
    full = given(CREATED, *(added(step()) for _ in range(MAX_STEPS - 1)))
    assert rejection(AddStep(workflow_id=ID, step=MAIL, transition_id=uuid4()), full).code == "CONFLICT"


# --- transitions ---


ALL_STEPS = (added(MAIL), added(ASK), added(END))


def add(transition: Transition) -> AddTransition:
    return AddTransition(workflow_id=ID, transition=transition)


def test_a_transition_is_added() -> None:
    transition = between(TRIGGER, MAIL)
    assert decide(add(transition), given(CREATED, *ALL_STEPS), NOW) == [connected(transition)]


def test_adding_an_equal_transition_changes_nothing() -> None:
    state = given(CREATED, *ALL_STEPS, connected(between(TRIGGER, MAIL)))
    assert decide(add(between(TRIGGER, MAIL)), state, NOW) == []


@pytest.mark.parametrize("transition", [between(TRIGGER, uuid4()), between(uuid4(), MAIL)])
def test_both_steps_must_exist(transition: Transition) -> None:
    no = rejection(add(transition), given(CREATED, *ALL_STEPS))
    assert (no.code, no.message) == ("WORKFLOW_STEP_NOT_FOUND", "One or both steps not found")


def test_a_step_without_branches_has_one_transition() -> None:
    state = given(CREATED, *ALL_STEPS, connected(between(TRIGGER, MAIL)))
    assert rejection(add(between(TRIGGER, END)), state).code == "CONFLICT"


def test_a_condition_has_one_transition_for_each_branch() -> None:
    state = given(CREATED, *ALL_STEPS, connected(between(ASK, MAIL, "yes")))
    assert len(decide(add(between(ASK, END, "no")), state, NOW)) == 1
    assert len(decide(add(between(ASK, END)), state, NOW)) == 1
    no = rejection(add(between(ASK, END, "yes")), state)
    assert (no.code, no.message) == ("CONFLICT", 'A transition for the "yes" branch already exists from this step')


def test_a_condition_has_one_transition_for_all_other_branches() -> None:
    state = given(CREATED, *ALL_STEPS, connected(between(ASK, MAIL)))
    assert rejection(add(between(ASK, END)), state).code == "CONFLICT"


def test_branches_of_the_multi_form_are_named_by_their_ids() -> None:
    branches = [{"id": "a", "operator": "equals", "value": "pro"}]
    multi = step("CONDITION", {"mode": "multi", "field": "data.plan", "branches": branches})
    state = given(CREATED, *ALL_STEPS, added(multi))
    for branch in ("a", "default"):
        assert len(decide(add(between(multi, END, branch)), state, NOW)) == 1
    assert rejection(add(between(multi, END, "yes")), state).code == "VALIDATION_ERROR"


@pytest.mark.parametrize(
    ("transition", "field"),
    [
        (between(END, MAIL), "fromStepId"),
        (between(MAIL, MAIL), "toStepId"),
        (between(MAIL, TRIGGER), "toStepId"),
        (between(ASK, MAIL), "toStepId"),
        (between(ASK, END, "maybe"), "condition.branch"),
        (between(MAIL, END, "yes"), "condition.branch"),
    ],
)
def test_a_transition_that_no_execution_could_take_is_rejected(transition: Transition, field: str) -> None:
    linked = (connected(between(TRIGGER, MAIL)), connected(between(MAIL, ASK)))
    no = rejection(add(transition), given(CREATED, *ALL_STEPS, *linked))
    assert (no.code, [error.field for error in no.errors]) == ("VALIDATION_ERROR", [field])
