"""The winner of an A/B test becomes due while no process runs."""

from uuid import UUID

import asyncpg

from libs.runtime.process.testing import running
from services.campaigns.app import build
from tests.conftest import Stack
from tests.service.campaigns.test_ab_tests import MAKE_DUE, TEST, RunningTest


async def test_a_winner_that_became_due_while_no_process_ran_is_decided_at_the_next_start(
    stack: Stack, project: UUID
) -> None:
    settings = stack.settings("campaigns")
    async with running(build(settings), settings) as service:
        trial = RunningTest(stack, service, project, TEST)
        await trial.start()
        await trial.wait()
    conn = await asyncpg.connect(settings.database_url, server_settings={"search_path": "campaigns"})
    assert await conn.execute(MAKE_DUE, project) == "UPDATE 1"
    await conn.close()
    async with running(build(settings), settings) as service:
        trial.service = service
        assert (await trial.until_phase("DECIDED")).status == "SENDING"
        assert [decision["variant"] for decision in await trial.decisions()] == ["B"]
