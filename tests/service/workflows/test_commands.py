"""Commands on workflows and queries about them, over the bus and in the database."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import facts, running, tell
from libs.schemas.workflows import (
    AddStep,
    AddTransition,
    Branch,
    CreateWorkflow,
    ExecutionPage,
    GetExecution,
    GetWorkflow,
    ListExecutions,
    ListWorkflows,
    Step,
    StepType,
    Transition,
    UpdateWorkflow,
    WorkflowPage,
    WorkflowView,
)
from services.workflows.app import build
from tests.conftest import Stack


@pytest.fixture(scope="module")
async def service(stack: Stack) -> AsyncIterator[Runtime]:
    settings = stack.settings("workflows")
    async with running(build(settings), settings) as runtime:
        yield runtime


class Author:
    """Creates workflows in one project."""

    def __init__(self, stack: Stack, project: UUID) -> None:
        self.client = stack.client
        self.project = project

    async def create(self, **changes: Any) -> WorkflowView:
        given = {"workflow_id": uuid7(), "trigger_step_id": uuid7(), "name": "Welcome", "event_name": "signup"}
        return await tell(self.client, self.project, CreateWorkflow(**{**given, **changes}), WorkflowView)

    async def add(self, workflow: WorkflowView, kind: StepType, auto_connect: bool = True, **config: Any) -> Step:
        step = Step(id=uuid7(), type_=kind, name=kind, config=config)
        command = AddStep(workflow_id=workflow.id, step=step, transition_id=uuid7(), auto_connect=auto_connect)
        return await tell(self.client, self.project, command, Step)

    async def connect(self, workflow: WorkflowView, start: UUID, end: UUID, branch: str | None = None) -> Transition:
        condition = Branch(branch=branch) if branch else None
        transition = Transition(id=uuid7(), from_step_id=start, to_step_id=end, condition=condition)
        command = AddTransition(workflow_id=workflow.id, transition=transition)
        return await tell(self.client, self.project, command, Transition)

    async def get(self, workflow_id: UUID) -> WorkflowView:
        return await ask(self.client, self.project, GetWorkflow(workflow_id=workflow_id), WorkflowView)


@pytest.fixture
def author(service: Runtime, stack: Stack, project: UUID) -> Author:
    return Author(stack, project)


async def test_a_new_workflow_has_its_trigger_step(author: Author) -> None:
    created = await author.create(event_name=" signup ")
    assert (created.enabled, created.trigger_type, created.trigger_config.event_name) == (False, "EVENT", "signup")
    assert [step.type_ for step in created.steps] == ["TRIGGER"]
    assert await author.get(created.id) == created


async def test_steps_and_transitions_form_the_graph(author: Author) -> None:
    workflow = await author.create()
    ask_step = await author.add(workflow, "CONDITION", field="data.plan", operator="exists")
    exit_step = await author.add(workflow, "EXIT", auto_connect=False)
    mail = await author.add(workflow, "SEND_EMAIL", auto_connect=False, templateId=str(uuid4()))
    await author.connect(workflow, ask_step.id, exit_step.id, "no")
    await author.connect(workflow, ask_step.id, mail.id, "yes")
    shown = await author.get(workflow.id)
    assert [step.id for step in shown.steps[1:]] == [ask_step.id, exit_step.id, mail.id]
    transitions = [(each.from_step_id, each.to_step_id, each.condition) for each in shown.transitions]
    assert transitions == [
        (workflow.steps[0].id, ask_step.id, None),
        (ask_step.id, exit_step.id, Branch(branch="no")),
        (ask_step.id, mail.id, Branch(branch="yes")),
    ]


async def test_steps_added_at_the_same_time_are_all_connected(author: Author) -> None:
    workflow = await author.create()
    await asyncio.gather(*(author.add(workflow, "DELAY", amount=1, unit="minutes") for _ in range(10)))
    shown = await author.get(workflow.id)
    assert (len(shown.steps), len(shown.transitions)) == (11, 10)
    assert len({each.from_step_id for each in shown.transitions}) == 10


async def test_adding_an_equal_transition_returns_the_existing_one(author: Author) -> None:
    workflow = await author.create()
    mail = await author.add(workflow, "SEND_EMAIL", auto_connect=False, templateId=str(uuid4()))
    first = await author.connect(workflow, workflow.steps[0].id, mail.id)
    assert await author.connect(workflow, workflow.steps[0].id, mail.id) == first
    assert len((await author.get(workflow.id)).transitions) == 1


async def test_a_rejected_step_changes_nothing(service: Runtime, author: Author) -> None:
    workflow = await author.create()
    with pytest.raises(Rejected) as no:
        await author.add(workflow, "DELAY", amount=400, unit="days")
    assert [error.field for error in no.value.errors] == ["config.amount"]
    assert [kind for kind, _ in await facts(service, author.project)] == ["workflow.created"]
    assert await author.get(workflow.id) == workflow


async def test_a_workflow_can_be_enabled_and_renamed(author: Author) -> None:
    workflow = await author.create()
    change = UpdateWorkflow(workflow_id=workflow.id, enabled=True, name="Hello")
    changed = await tell(author.client, author.project, change, WorkflowView)
    assert (changed.enabled, changed.name, changed.trigger_config) == (True, "Hello", workflow.trigger_config)
    assert await author.get(workflow.id) == changed


async def test_the_newest_workflows_come_first(author: Author) -> None:
    for name in ("first", "second", "third"):
        await author.create(name=name)
    page = await ask(author.client, author.project, ListWorkflows(page=1, page_size=2), WorkflowPage)
    assert [workflow.name for workflow in page.data] == ["third", "second"]
    assert (page.total, page.total_pages) == (3, 2)


async def test_other_projects_do_not_see_a_workflow(stack: Stack, author: Author) -> None:
    workflow = await author.create()
    stranger = Author(stack, uuid4())
    with pytest.raises(Rejected) as no:
        await stranger.get(workflow.id)
    assert no.value.code == "WORKFLOW_NOT_FOUND"
    with pytest.raises(Rejected) as no:
        await stranger.add(workflow, "EXIT")
    assert no.value.code == "WORKFLOW_NOT_FOUND"
    with pytest.raises(Rejected) as no:
        await ask(stack.client, stranger.project, ListExecutions(workflow_id=workflow.id), ExecutionPage)
    assert no.value.code == "WORKFLOW_NOT_FOUND"


async def test_an_unknown_execution_is_not_found(author: Author) -> None:
    workflow = await author.create()
    with pytest.raises(Rejected) as no:
        query = GetExecution(workflow_id=workflow.id, execution_id=uuid4())
        await ask(author.client, author.project, query, ExecutionPage)
    assert no.value.code == "WORKFLOW_EXECUTION_NOT_FOUND"
