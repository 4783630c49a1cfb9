"""Processes that die while they import a file: every row becomes one contact, and every event is published once.

It lies outside the package of contacts, whose shared service would take these jobs and not crash.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from uuid import UUID

import msgspec
import pytest

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import eventually, running
from services.contacts.app import build
from services.contacts.jobs.page_size import FIRST
from tests.conftest import Stack
from tests.service.contacts.jobs import Jobs
from tests.service.forked_contacts import run_until_crash

KILLED = 137
KILLS = 10
MAX_PAGES = 3
MAX_ROWS_PER_PROCESS = sum(FIRST << page for page in range(MAX_PAGES))
"""The rows that a process imports before it dies: a page is at most twice as large as the one before."""

ROWS = (KILLS + 1) * MAX_ROWS_PER_PROCESS
POINTS = ("before_job_commit", "after_job_page")
WAIT = 60.0


@pytest.fixture
async def command_service(stack: Stack) -> AsyncIterator[Runtime]:
    """Run a contacts service that handles commands and queries, and leaves jobs to other processes."""
    config = stack.settings("contacts")
    async with running(msgspec.structs.replace(build(config), work=()), config) as runtime:
        yield runtime


async def test_an_import_whose_processes_are_killed_ten_times_imports_every_row_once(
    command_service: Runtime, stack: Stack, project: UUID
) -> None:
    jobs, config = Jobs(command_service, project), stack.settings("contacts")
    rows = "".join(f"{number}@example.com,{number}\n" for number in range(ROWS))
    started = await jobs.start_import("email,number\n" + rows)
    await kill_ten(config)
    async with running(build(config), config):
        done = await jobs.import_ended(started.job_id)
        assert (done.state, done.failed_reason) == ("completed", None)
        assert done.result
        assert (done.result.total_rows, done.result.created_count, done.result.failure_count) == (ROWS, ROWS, 0)
        assert await created(command_service, project) == (ROWS, ROWS, ROWS)
        await eventually(lambda: published(command_service, project), within=WAIT)


async def kill_ten(config: Settings) -> None:
    """Run two processes at a time; each dies at a different point, and another takes its place."""
    chance = random.Random(2187)  # which moments is all the same, but they shall come again
    turns = [f"{chance.choice(POINTS)}:{chance.randint(1, MAX_PAGES)}" for _ in range(KILLS)]
    waiting = iter(turns)

    async def replace_each() -> None:
        for crash in waiting:
            assert await run_until_crash(crash, config, WAIT) == KILLED, crash

    await asyncio.gather(replace_each(), replace_each())


async def created(runtime: Runtime, project: UUID) -> tuple[int, int, int]:
    """Return the number of contacts, of events about contacts, and of contacts that have such events."""
    contacts = await runtime.pool.fetchval("select count(*) from contact where project = $1", project)
    facts = await runtime.pool.fetchrow(
        "select count(*) as all, count(distinct stream) as streams from events where project = $1 and type = $2",
        project,
        "contact.created",
    )
    assert facts
    return contacts, facts["all"], facts["streams"]


async def published(runtime: Runtime, project: UUID) -> bool:
    """Return whether the bus has every event, and none of them twice."""
    subject = f"evt.contacts.{project}.contact.created"
    info = await runtime.client.jetstream().stream_info("EVENTS", subjects_filter=subject)
    count = (info.state.subjects or {}).get(subject, 0)
    assert count <= ROWS, f"{count - ROWS} facts are on the bus twice"
    return count == ROWS
