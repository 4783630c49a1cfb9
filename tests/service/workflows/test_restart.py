"""Executions across a restart of the process."""

from uuid import UUID

from libs.runtime.process.testing import running
from services.workflows.app import build
from tests.conftest import Stack
from tests.service.workflows.test_commands import Author
from tests.service.workflows.test_executions import PATIENT, Flow


async def test_waiting_executions_go_on_after_a_restart(stack: Stack, project: UUID) -> None:
    settings = stack.settings("workflows", retry_delays=PATIENT)
    async with running(build(settings), settings) as before:
        author = Author(stack, project)
        workflow = await author.create(enabled=True)
        await author.add(workflow, "DELAY", amount=0.05, unit="minutes")
        await author.add(workflow, "EXIT", reason="done")
        flow = Flow(before, author, workflow)
        await flow.announce(flow.tracked())
        [waiting] = await flow.until("WAITING")
    async with running(build(settings), settings):
        [ended] = await flow.until("EXITED")
    assert (ended.id, ended.exit_reason) == (waiting.id, "done")
