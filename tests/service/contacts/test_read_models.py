"""Read models follow from the log alone: folding it again, in any portions, gives the same tables."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.runtime.eventstore.codec import Codec
from libs.runtime.eventstore.encryption import LoggedEvent, decrypt
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import fold
from services.contacts.contacts.read_models import contact, contact_activity
from services.contacts.events.read_models import contact_event
from services.contacts.segments.read_models import segment, segment_list
from tests.conftest import Stack
from tests.service.contacts.caller import Caller, all_of, where

MODELS = (contact, contact_event, contact_activity, segment, segment_list)
CODEC: Codec[Any] = Codec({kind for model in MODELS for kind in model.EVENTS})

LOG = """
select id, project, stream, version, type, data, recorded_at
from contacts.events where project = $1 and type = any($2::text[]) order by position
"""


@pytest.fixture
async def elsewhere(stack: Stack) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Yield a connection to empty tables in a schema of their own."""
    conn = await asyncpg.connect(stack.admin_url)
    schema = f"again_{uuid4().hex}"
    await conn.execute(f"create schema {schema}; set search_path = {schema}, contacts")
    for model in MODELS:
        await conn.execute(model.DDL)
    yield conn
    await conn.execute(f"drop schema {schema} cascade")
    await conn.close()


async def cause_events(caller: Caller) -> None:
    """Cause events of every kind, in whatever batches they form."""
    names = [f"user{n % 9}@example.com" for n in range(60)]
    await asyncio.gather(*(caller.track(f"e{n % 4}", name, data={f"k{n % 3}": n}) for n, name in enumerate(names)))
    people = (await caller.page(limit=100)).data
    await asyncio.gather(
        *(caller.update(each.id, subscribed=n % 2 == 0, data={"n": None, "late": n}) for n, each in enumerate(people))
    )
    first, second = people[0], people[1]
    await caller.update(first.id, email="moved@example.com")
    await caller.update(second.id, email=first.email, data=None)
    await caller.unsubscribe(people[2].id)
    await caller.delete(people[3].id)
    await caller.delete(people[4].id)
    await caller.segment(all_of(where("data.k1", "exists")))


async def log_of(conn: "asyncpg.Connection[Any]", project: UUID) -> list[Envelope[Any]]:
    rows = await conn.fetch(LOG, project, list(CODEC.kinds))
    bodies = await decrypt(conn, [LoggedEvent(row["id"], project, row["data"].encode()) for row in rows])
    return [
        Envelope(
            id=row["id"],
            project=row["project"],
            message=CODEC.decode(body),
            at=row["recorded_at"],
            stream=row["stream"],
            version=row["version"],
        )
        for row, body in zip(rows, bodies, strict=True)
    ]


@pytest.mark.parametrize("portion", [1, 7, 1000])
async def test_refolded_tables_equal_the_original_ones(
    caller: Caller, elsewhere: "asyncpg.Connection[Any]", portion: int
) -> None:
    await cause_events(caller)
    log = await log_of(elsewhere, caller.project)
    assert len(log) > 80
    for start in range(0, len(log), portion):
        async with elsewhere.transaction():
            await fold(elsewhere, MODELS, log[start : start + portion])
    for table in ("contact", "contact_event", "segment"):
        again = await elsewhere.fetch(f"select * from {table} order by 1, 2, 3")
        live = await elsewhere.fetch(
            f"select * from contacts.{table} where project = $1 order by 1, 2, 3", caller.project
        )
        assert [dict(row) for row in again] == [dict(row) for row in live] != []
