"""Contacts by the million: list, search and get over HTTP on 16 connections, and how fast the tables are rebuilt.

The project is filled as if by an import: contacts and their log are written directly into the tables, with the log
encrypted the way the service does it. `BENCH_CONTACTS` sets how many (100,000; meant for 1,000,000), `BENCH_EVENTS`
from how many of their events the tables are rebuilt (100,000).
"""

import gc
import os
import random
import time
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import quote
from uuid import UUID

import asyncpg
from rich.table import Table

from deploy.connections import connect
from deploy.demo.target import Target
from deploy.services import build_of
from libs.runtime.clock import uuid5, uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.eventstore.store import begin
from libs.runtime.operations.rebuild import rebuild
from libs.runtime.process.lifecycle import GC_THRESHOLD
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import eventually
from libs.schemas.contacts.contacts import ContactCreated, EventTracked
from services.gateway.accounts.bootstrap import NAMESPACE
from tests.benchmarks.load import Measured, get
from tests.benchmarks.settled import LIMIT, until_consumed

CONTACTS = int(os.environ.get("BENCH_CONTACTS", "100000"))
EVENTS = int(os.environ.get("BENCH_EVENTS", "100000"))
CONNECTIONS = 16
REQUESTS = 2000
PAGE = 1200
TRACKED = 5
"""Tracked events per contact: five million for a million contacts."""

PUBLISHED = "select not exists (select from outbox)"
FILL = """
with made as (
    select n, substr(md5(n::text), 1, 6) || '.' || substr(md5((-n)::text), 1, 6) as name,
        case n % 10 when 0 then 'company' || n % 5000 || '.example' when 1 then 'mail.example' else 'gmail.example' end
            as domain
    from generate_series($2::int, $3::int) as n
)
insert into contact (project, id, email, subscribed, data, version, created_at, updated_at)
select $1, gen_random_uuid(), name || n || '@' || domain, n % 10 > 0,
    jsonb_build_object('plan', case n % 5 when 1 then 'pro' else 'free' end, 'seats', n % 100, 'name', name),
    1, now() - n * interval '1 second', now() - n * interval '1 second'
from made
"""
COUNTED = """
insert into contact_count values ($1, 0, $2)
on conflict (project, shard) do update set count = contact_count.count + excluded.count
"""
SOME = "select id, email from contact where project = $1 and id > $2 order by id limit 2000"


async def bench(target: Target, bare: str) -> Table:
    project = uuid5(NAMESPACE, target.secret_key)
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    try:
        await conn.execute("set search_path = contacts")
        await fill(conn, project, CONTACTS)
        table = Table(title=f"{CONTACTS:,} contacts, {CONNECTIONS} connections", title_justify="left")
        for column in ("GET", "requests/s", "p50 ms", "p95 ms", "p99 ms", "errors"):
            table.add_column(column, justify="right")
        people = await conn.fetch(SOME, project, UUID(int=random.getrandbits(128)))
        for name, paths in _questions(people).items():
            measured = await get(target.endpoints.url, _headers(target), paths, CONNECTIONS)
            table.add_row(name, *_figures(measured))
        await _rebuild(conn, target, project, table)
        return table
    finally:
        await conn.close()


async def fill(conn: "asyncpg.Connection[Any]", project: UUID, contacts: int) -> None:
    """Give the project so many contacts. `conn` has contacts' schema as search_path."""
    await conn.execute("drop index contact_trigrams")
    for start in range(1, contacts + 1, 100_000):
        await conn.execute(FILL, project, start, min(start + 99_999, contacts), timeout=600)
    await conn.execute(COUNTED, project, contacts)
    await conn.execute("create index contact_trigrams on contact using gin (trigrams(project, email))", timeout=1200)
    await conn.execute("vacuum analyze contact", timeout=600)


def _questions(people: list[Any]) -> dict[str, Iterator[str]]:
    chosen = [random.choice(people) for _ in range(REQUESTS)]
    return {
        "a contact": iter([f"/contacts/{each['id']}" for each in chosen]),
        "the first page of 20": iter(["/contacts"] * REQUESTS),
        "search for what one has": iter([f"/contacts?search={quote(each['email'][:13])}" for each in chosen]),
        "search for what few have": iter([f"/contacts?search={quote(each['email'][3:8])}" for each in chosen]),
        "search for what most have": iter(["/contacts?search=gmail"] * REQUESTS),
        "search for what every tenth has": iter(["/contacts?search=company"] * REQUESTS),
        "search for two letters": iter([f"/contacts?search={quote(each['email'][4:6])}" for each in chosen]),
        "search for two that nobody has": iter(["/contacts?search=zq"] * REQUESTS),
    }


async def _rebuild(conn: "asyncpg.Connection[Any]", target: Target, project: UUID, table: Table) -> None:
    """Rebuild from a separate log of created contacts and tracked events: the populated contacts have none."""
    for _ in range(0, EVENTS, PAGE):
        async with conn.transaction():
            unit = await begin(conn, [])
            unit.append(_happened(), Origin(project=project))
            await unit.flush()
    await eventually(partial(conn.fetchval, PUBLISHED), LIMIT)
    await until_consumed(target)
    service = build_of("contacts")(Settings(database_url=""))
    client = await connect(target.endpoints.nats_url)
    gc.set_threshold(GC_THRESHOLD)  # like `godwit rebuild`
    started = time.perf_counter()
    done = await rebuild(target.endpoints.admin_database_url, client, service, service.read_models)
    seconds = time.perf_counter() - started
    await client.close()
    rate = f"{done.own_events / seconds:,.0f} events/s"
    table.add_row("rebuild of all read models", rate, "", "", "", "")


def _happened() -> Iterator[ContactCreated | EventTracked]:
    for _ in range(PAGE // (1 + TRACKED)):
        name, who = uuid7().hex, uuid7()
        data = {"plan": "pro", "seats": 5, "name": name}
        yield ContactCreated(contact_id=who, email=f"{name}@new.example", subscribed=True, data=data)
        for number in range(TRACKED):
            yield EventTracked(
                event_id=uuid7(), contact_id=who, email=f"{name}@new.example", name=f"step {number}", data={"seats": 5}
            )


def _headers(target: Target) -> dict[str, str]:
    return {"Authorization": f"Bearer {target.secret_key}"}


def _figures(measured: Measured) -> tuple[str, ...]:
    ends = (measured.p50, measured.p95, measured.p99)
    return f"{measured.rate:,.0f}", *(f"{end:.1f}" for end in ends), str(measured.errors)
