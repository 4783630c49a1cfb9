"""The pull client: it fetches pending messages together, and reports a missing consumer."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from nats.js.api import AckPolicy, ConsumerConfig

from libs.runtime.messaging.pull_client import MAX_REPLY_BYTES, NotFetchable, PullClient
from libs.runtime.process.testing import announce
from tests.conftest import Stack
from tests.service.runtime.tally_service import Noticed


@pytest.fixture
async def pull_client(stack: Stack, project: UUID) -> AsyncIterator[PullClient]:
    """Yield a client of a consumer that receives only this project's events."""
    name = f"reader-{project.hex}"
    config = ConsumerConfig(
        durable_name=name, filter_subject=f"evt.*.{project}.>", ack_policy=AckPolicy.EXPLICIT, inactive_threshold=60
    )
    await stack.client.jetstream().add_consumer("EVENTS", config)
    pull_client = await PullClient(stack.client, "EVENTS", name).start()
    yield pull_client
    await pull_client.stop()


async def test_pending_messages_are_fetched_together_and_the_rest_next_time(
    stack: Stack, pull_client: PullClient, project: UUID
) -> None:
    for amount in range(7):
        await announce(stack.client, project, Noticed(key="k", amount=amount))
    first, rest = await pull_client.fetch(5, 5.0), await pull_client.fetch(5, 5.0)
    assert (len(first), len(rest)) == (5, 2)
    assert [message.metadata.sequence.consumer for message in (*first, *rest)] == list(range(1, 8))


async def test_messages_that_exceed_one_reply_are_fetched_in_several(
    stack: Stack, pull_client: PullClient, project: UUID
) -> None:
    for _ in range(12):
        await stack.client.jetstream().publish(f"evt.tally.{project}.large", b"x" * 900_000)
    numbers: list[int] = []
    for _ in range(12):
        fetched = await pull_client.fetch(500, 2.0)
        assert sum(len(message.data) for message in fetched) <= MAX_REPLY_BYTES
        numbers += [message.metadata.sequence.consumer for message in fetched]
        if len(numbers) == 12:
            break
    assert numbers == list(range(1, 13))


async def test_the_first_message_ends_the_wait(stack: Stack, pull_client: PullClient, project: UUID) -> None:
    waiting = asyncio.create_task(pull_client.fetch(5, 30.0))
    await asyncio.sleep(0.05)
    await announce(stack.client, project, Noticed(key="k", amount=1))
    assert len(await asyncio.wait_for(waiting, 10.0)) == 1


async def test_a_fetch_without_messages_is_empty_and_the_next_one_works(
    stack: Stack, pull_client: PullClient, project: UUID
) -> None:
    assert not await pull_client.fetch(5, 0.05)
    await announce(stack.client, project, Noticed(key="k", amount=1))
    assert len(await pull_client.fetch(5, 5.0)) == 1


async def test_a_deleted_consumer_raises_not_fetchable(stack: Stack, pull_client: PullClient, project: UUID) -> None:
    await stack.client.jetstream().delete_consumer("EVENTS", f"reader-{project.hex}")
    with pytest.raises(NotFetchable):
        await pull_client.fetch(5, 5.0)
