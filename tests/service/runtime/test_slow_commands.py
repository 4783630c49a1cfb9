"""Slow commands run beside the others, one at a time per project."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from libs.runtime.clock import now
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.envelope import Envelope, Meta
from libs.runtime.eventstore.store import UnitOfWork
from libs.runtime.messaging.bus import RateLimited
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import running, tell
from libs.schemas.base import Command
from tests.conftest import Stack
from tests.service.runtime.tally_service import Add, Total, build


class Recount(Command, tag="recount", frozen=True, kw_only=True):
    service: ClassVar[str] = "tally"
    number: int
    seconds: float = 0.0


HANDLED: list[tuple[UUID, int]] = []


async def recount(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
    for envelope in envelopes:
        await unit.conn.execute("select pg_sleep($1)", envelope.message.seconds)
        HANDLED.append((envelope.project, envelope.message.number))
    return [accepted_reply(Total(total=envelope.message.number)) for envelope in envelopes]


@pytest.fixture(scope="module")
async def tally(stack: Stack) -> AsyncIterator[Runtime]:
    config = stack.settings("tally")
    service = build(config)
    await stack.prepare([service])
    service = replace(service, commands={**service.commands, Recount: recount}, slow_commands=[Recount])
    async with running(service, config) as runtime:
        yield runtime


async def test_a_slow_command_of_one_project_does_not_hold_up_the_commands_of_others(tally: Runtime) -> None:
    attacker, victim = uuid4(), uuid4()
    slow = asyncio.create_task(tell(tally.client, attacker, Recount(number=1, seconds=2.0), Total))
    await asyncio.sleep(0.2)
    await tell(tally.client, victim, Add(key=uuid4().hex, amount=1), Total)
    await tell(tally.client, victim, Recount(number=2), Total)
    assert not slow.done()
    assert (await slow).total == 1


async def test_the_slow_commands_of_a_project_keep_their_order(tally: Runtime, project: UUID) -> None:
    told = []
    for number in range(5):
        told.append(asyncio.create_task(tell(tally.client, project, Recount(number=number, seconds=0.05), Total)))
        await asyncio.sleep(0.02)
    await asyncio.gather(*told)
    assert [number for owner, number in HANDLED if owner == project] == [0, 1, 2, 3, 4]


async def test_too_many_slow_commands_of_a_project_are_refused(tally: Runtime, project: UUID) -> None:
    told = [tell(tally.client, project, Recount(number=n, seconds=0.3), Total) for n in range(80)]
    outcomes = await asyncio.gather(*told, return_exceptions=True)
    assert any(isinstance(each, RateLimited) for each in outcomes)
    assert any(isinstance(each, Total) for each in outcomes)


async def test_a_repeated_slow_command_takes_effect_once(tally: Runtime, project: UUID) -> None:
    command = Envelope(id=uuid4(), project=project, message=Recount(number=7), at=now(), meta=Meta(actor="test"))
    commit = tally.consumers["tally-commands"].commit
    replies = [await commit.handle_alone(command) for _ in range(2)]
    assert replies[0] == replies[1]
    assert HANDLED.count((project, 7)) == 1
