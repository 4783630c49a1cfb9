"""The decider of workflows: their settings, and the graph of steps and transitions. Pure."""

from datetime import datetime
from typing import TypeAlias, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import Rejected, invalid
from libs.schemas.workflows import (
    AddStep,
    AddTransition,
    CreateWorkflow,
    Step,
    StepAdded,
    Transition,
    TransitionAdded,
    UpdateWorkflow,
    WorkflowCreated,
    WorkflowUpdated,
)
from services.workflows.definitions.graph import Graph
from services.workflows.steps.registry import STEP_TYPES, parse_step_config
from services.workflows.steps.step_config import BranchingStep

MAX_STEPS = 200


class Absent(msgspec.Struct, frozen=True):
    """The workflow does not exist."""


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow. The times are those of its row; a workflow that is not stored yet has none."""

    name: str
    description: str | None
    event_name: str
    enabled: bool
    allow_reentry: bool
    trigger_step_id: UUID
    steps: tuple[Step, ...] = ()
    transitions: tuple[Transition, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def graph(self) -> Graph:
        """The graph, including the TRIGGER step, which every workflow has from the start."""
        trigger = Step(
            id=self.trigger_step_id,
            type_="TRIGGER",
            name="Trigger",
            position={"x": 0, "y": 0},
            config={"eventName": self.event_name},
        )
        return Graph((trigger, *self.steps), self.transitions)


State: TypeAlias = Absent | Workflow
Command: TypeAlias = CreateWorkflow | UpdateWorkflow | AddStep | AddTransition
Event: TypeAlias = WorkflowCreated | WorkflowUpdated | StepAdded | TransitionAdded

INITIAL: State = Absent()


def decide(command: Command, state: State, now: datetime) -> list[Event]:
    match command, state:
        case CreateWorkflow(), _:
            return _create(command, state)
        case _, Absent():
            raise Rejected("WORKFLOW_NOT_FOUND", "Workflow not found")
        case UpdateWorkflow(), Workflow():
            return _update(command, state)
        case AddStep(), Workflow():
            return _add_step(command, state)
        case AddTransition(), Workflow():
            return _add_transition(command, state.graph)
    raise AssertionError(f"decide() has no case for {command!r} in {state!r}")


def evolve(state: State, event: Event) -> State:
    if isinstance(event, WorkflowCreated):
        return Workflow(
            name=event.name,
            description=event.description,
            event_name=event.event_name,
            enabled=event.enabled,
            allow_reentry=event.allow_reentry,
            trigger_step_id=event.trigger_step_id,
        )
    return state if isinstance(state, Absent) else _evolve(state, event)


def _evolve(workflow: Workflow, event: WorkflowUpdated | StepAdded | TransitionAdded) -> Workflow:
    match event:
        case WorkflowUpdated():
            return replace(
                workflow,
                name=event.name,
                description=event.description,
                event_name=event.event_name,
                enabled=event.enabled,
                allow_reentry=event.allow_reentry,
            )
        case StepAdded():
            return replace(workflow, steps=(*workflow.steps, event.step))
        case TransitionAdded():
            return replace(workflow, transitions=(*workflow.transitions, event.transition))
        case _:
            assert_never(event)


def _create(command: CreateWorkflow, state: State) -> list[Event]:
    created = WorkflowCreated(
        workflow_id=command.workflow_id,
        trigger_step_id=command.trigger_step_id,
        name=command.name,
        event_name=_event_name(command.event_name),
        description=command.description,
        enabled=command.enabled,
        allow_reentry=command.allow_reentry,
    )
    if isinstance(state, Absent):
        return [created]
    if state.trigger_step_id == command.trigger_step_id:
        return []
    raise Rejected("CONFLICT", "Another workflow with this id already exists")


def _update(command: UpdateWorkflow, workflow: Workflow) -> list[Event]:
    def changed(value: str | None, current: str) -> str:
        return current if value is None else value

    updated = WorkflowUpdated(
        workflow_id=command.workflow_id,
        name=changed(command.name, workflow.name),
        description=workflow.description if command.description is None else command.description,
        event_name=_event_name(changed(command.event_name, workflow.event_name)),
        enabled=workflow.enabled if command.enabled is None else command.enabled,
        allow_reentry=workflow.allow_reentry if command.allow_reentry is None else command.allow_reentry,
    )
    return [] if _evolve(workflow, updated) == workflow else [updated]


def _add_step(command: AddStep, workflow: Workflow) -> list[Event]:
    graph, step = workflow.graph, command.step
    if existing := graph.step(step.id):
        if existing == step:
            return []
        raise Rejected("CONFLICT", "Another step with this id already exists")
    if step.type_ == "TRIGGER":
        raise Rejected("CONFLICT", "Workflow already has a trigger step. Each workflow has exactly one.")
    if len(graph.steps) >= MAX_STEPS:
        raise Rejected("CONFLICT", f"A workflow cannot have more than {MAX_STEPS} steps")
    parse_step_config(step)
    events: list[Event] = [StepAdded(workflow_id=command.workflow_id, step=step)]
    leaf = graph.last_leaf() if command.auto_connect else None
    if leaf:
        transition = Transition(id=command.transition_id, from_step_id=leaf.id, to_step_id=step.id)
        events.append(TransitionAdded(workflow_id=command.workflow_id, transition=transition))
    return events


def _add_transition(command: AddTransition, graph: Graph) -> list[Event]:
    transition = command.transition
    start, end = graph.step(transition.from_step_id), graph.step(transition.to_step_id)
    if start is None or end is None:
        raise Rejected("WORKFLOW_STEP_NOT_FOUND", "One or both steps not found")
    if equal_transition(graph, transition):
        return []
    _require_possible(transition, start, graph)
    _require_unused(transition, start, graph)
    return [TransitionAdded(workflow_id=command.workflow_id, transition=transition)]


def equal_transition(graph: Graph, transition: Transition) -> Transition | None:
    """Return the transition that already connects the same steps under the same condition."""
    return next(
        (
            each
            for each in graph.transitions_from(transition.from_step_id)
            if (each.to_step_id, each.condition) == (transition.to_step_id, transition.condition)
        ),
        None,
    )


def _require_possible(transition: Transition, start: Step, graph: Graph) -> None:
    """Raise Rejected if no execution could take the transition, or would take it in a loop."""
    if STEP_TYPES[start.type_].FINAL:
        raise invalid("fromStepId", f"No transition can start at a step of type {start.type_}", "custom")
    if graph.leads_to(transition.to_step_id, transition.from_step_id):
        raise invalid("toStepId", "A transition must not lead back to an earlier step", "custom")
    if transition.condition and transition.condition.branch not in _branches(start):
        branches = ", ".join(sorted(_branches(start))) or "none"
        raise invalid("condition.branch", f"The step has no such branch. Its branches: {branches}", "custom")


def _require_unused(transition: Transition, start: Step, graph: Graph) -> None:
    """Raise Rejected if executions already leave the step by another transition in the same case."""
    existing = graph.transitions_from(start.id)
    if existing and not issubclass(STEP_TYPES[start.type_], BranchingStep):
        raise Rejected("CONFLICT", "This step already has a transition to another step")
    if any(each.condition == transition.condition for each in existing):
        branch = transition.condition.branch if transition.condition else "any other"
        raise Rejected("CONFLICT", f'A transition for the "{branch}" branch already exists from this step')


def _branches(step: Step) -> set[str]:
    config = parse_step_config(step)
    return config.branch_names() if isinstance(config, BranchingStep) else set()


def _event_name(text: str) -> str:
    name = text.strip()
    if not name:
        raise invalid("eventName", "Event name is required", "custom")
    return name
