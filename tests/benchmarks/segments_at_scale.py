"""Segments of a large list: the cost of a count next to hand-written SQL, the speed of pages, and the cost of a change.

    python -m tests.benchmarks.segments_at_scale --contacts 1000000 --small 100000 --changes 10000

is the full form; `make bench` runs a short one, or the sizes in `BENCH_CONTACTS` and `BENCH_SMALL`. The last figure
must not grow with the list: the time until the tracked members of twenty segments are up to date after this many
contacts changed.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from rich.table import Table

from deploy.demo.screen import console
from deploy.embedded.backend import running as servers
from deploy.provisioning.prepare import prepare_services
from deploy.services import declared_services
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.operations.migrations import role_of
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import eventually, running, tell
from libs.schemas.contacts.contacts import (
    Condition,
    ContactUpdated,
    Filter,
    Group,
)
from libs.schemas.contacts.segments import (
    CountSegment,
    CreateSegment,
    ListSegmentContacts,
    MemberCount,
    SegmentContacts,
    SegmentView,
    UpdateSegment,
)
from services.contacts.app import build
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.segments import matching
from tests.backends import role_passwords, url_as
from tests.benchmarks.population import EVENTS_EACH, populate

LIMIT = 900.0
ROUNDS = 5
PAGES = 200
PORTION = 1000


def where(field: str, operator: str, value: Any = None, unit: Any = None) -> Filter:
    return Filter(field=field, operator=operator, value=value, unit=unit)


def all_of(*filters: Filter) -> Condition:
    return Condition(logic="AND", groups=[Group(filters=list(filters))])


def any_of(*filters: Filter) -> Condition:
    return Condition(logic="OR", groups=[Group(filters=[test]) for test in filters])


PRO = where("data.plan", "equals", "pro")
TEAM = where("data.plan", "equals", "team")
BOUGHT = where("event.purchase", "triggered")
HIGH = where("data.score", "greaterThan", 900)

SEGMENTS = [
    all_of(TEAM),
    all_of(PRO, HIGH),
    all_of(PRO, BOUGHT),
    all_of(BOUGHT, where("event.login", "notTriggeredWithin", 60, "days")),
    all_of(where("event.purchase", "triggeredWithin", 7, "days")),
    all_of(where("event.upgrade", "triggered"), where("data.country", "equals", "de")),
    all_of(where("createdAt", "within", 30, "days")),
    all_of(where("data.trialEndsAt", "within", 3, "days")),
    any_of(where("event.upgrade", "triggeredWithin", 14, "days"), where("data.score", "greaterThan", 990)),
    all_of(where("subscribed", "equals", False)),
    all_of(where("email", "contains", "@example7.")),
    all_of(where("data.country", "equals", "jp"), where("data.seats", "greaterThanOrEqual", 45)),
    any_of(TEAM, where("data.seats", "greaterThan", 49)),
    all_of(where("data.firstName", "contains", "name 49")),
    all_of(PRO, where("event.login", "notTriggered"), where("data.country", "notEquals", "us")),
    all_of(where("data.missing", "exists")),
    all_of(HIGH, where("data.trialEndsAt", "olderThan", 50, "days")),
    all_of(where("event.signup", "triggeredWithin", 2, "days")),
    all_of(where("data.country", "equals", "se"), TEAM),
    all_of(where("data.score", "lessThan", 10), where("updatedAt", "olderThan", 300, "days")),
]

# Segments, each with equivalent queries by somebody who knows the tables; the fastest one counts. Equivalent means: a
# score may also be a text, or missing, and must not make the query fail.
BY_HAND: list[tuple[str, Condition, list[str]]] = [
    (
        "data",
        SEGMENTS[1],
        [
            """select count(*) from contact where project = $1 and data ->> 'plan' = 'pro'
               and case when jsonb_typeof(data -> 'score') = 'number' then (data ->> 'score')::numeric > 900 end""",
            """select count(*) from contact where project = $1 and data @> '{"plan": "pro"}'
               and data -> 'score' > '900' and jsonb_typeof(data -> 'score') = 'number'""",
        ],
    ),
    (
        "data and event",
        SEGMENTS[2],
        [
            """select count(*) from contact where project = $1 and data ->> 'plan' = 'pro' and exists (
               select from contact_event as e where e.project = $1 and e.contact_id = contact.id
               and e.name = 'purchase')""",
            """select count(*) from contact join contact_event as e
               on e.project = contact.project and e.contact_id = contact.id and e.name = 'purchase'
               where contact.project = $1 and data @> '{"plan": "pro"}'""",
        ],
    ),
    (
        "event and no event lately",
        SEGMENTS[3],
        [
            """select count(*) from contact join contact_event as bought
               on bought.project = contact.project and bought.contact_id = contact.id and bought.name = 'purchase'
               where contact.project = $1 and not exists (
               select from contact_event as e where e.project = $1 and e.contact_id = contact.id
               and e.name = 'login' and e.last_at >= now() - interval '60 days')""",
            """select count(*) from contact where project = $1
               and id in (select contact_id from contact_event where project = $1 and name = 'purchase')
               and id not in (select contact_id from contact_event where project = $1 and name = 'login'
               and last_at >= now() - interval '60 days')""",
        ],
    ),
    (
        "event lately or data",
        SEGMENTS[8],
        [
            """select count(*) from contact where project = $1 and (
               (jsonb_typeof(data -> 'score') = 'number' and data -> 'score' > '990') or exists (
               select from contact_event as e where e.project = $1 and e.contact_id = contact.id
               and e.name = 'upgrade' and e.last_at >= now() - interval '14 days'))""",
            """select count(*) from contact left join contact_event as e
               on e.project = contact.project and e.contact_id = contact.id and e.name = 'upgrade'
               and e.last_at >= now() - interval '14 days'
               where contact.project = $1 and (e.name is not null
               or data -> 'score' > '990' and jsonb_typeof(data -> 'score') = 'number')""",
        ],
    ),
]


class Field:
    """A populated project that gets twenty tracked segments."""

    def __init__(self, runtime: Runtime, project: UUID, size: int) -> None:
        self.runtime = runtime
        self.project = project
        self.size = size
        self.segments: list[UUID] = []

    async def prepare(self) -> float:
        """Return the seconds it took to find the members of all segments."""
        started = time.perf_counter()
        for number, condition in enumerate(SEGMENTS):
            command = CreateSegment(segment_id=uuid7(), name=f"Segment {number}", condition=condition)
            made = await tell(self.runtime.client, self.project, command, SegmentView)
            self.segments.append(made.id)
        await self.settled()
        took = time.perf_counter() - started
        log(f"{self.size:,}: members found in {took:.1f} s")
        for segment in self.segments:
            tracked = UpdateSegment(segment_id=segment, track_membership=True)
            await tell(self.runtime.client, self.project, tracked, SegmentView)
        return took

    async def settled(self) -> None:
        """Wait until no contact is left to evaluate."""
        left = """
        select exists (select from segment_change where project = $1)
            or exists (select from segment_state where project = $1 and scan_from is not null)
        """

        async def nothing_left() -> bool:
            return not await self.runtime.pool.fetchval(left, self.project)

        await eventually(nothing_left, LIMIT)

    async def change(self, count: int) -> float:
        """Give this many contacts another plan and score in a bulk change, and return the seconds until all is up to
        date.
        """
        rows = await self._some(count)
        started = time.perf_counter()
        for first in range(0, count, PORTION):
            async with self.runtime.unit() as unit:
                for row in rows[first : first + PORTION]:
                    unit.expect(f"contact-{row.contact_id}", row.version)
                    data = {**row.contact.data, "plan": "team", "score": 995}
                    event = ContactUpdated(contact_id=row.contact_id, email=row.contact.email, data=data)
                    unit.append([event], Origin(project=self.project))
        await self.settled()
        return time.perf_counter() - started

    async def _some(self, count: int) -> list[contacts.ContactRow]:
        """Return contacts from all over the list, each only once."""
        query = "select id from contact where project = $1 and version = 1 order by md5(id::text) limit $2"
        ids = [row["id"] for row in await self.runtime.pool.fetch(query, self.project, count)]
        async with self.runtime.pool.acquire() as conn:
            return await contacts.load(conn, [], [(self.project, each) for each in ids])


async def bench(contacts_count: int, small: int, changes: int) -> list[Table]:
    with tempfile.TemporaryDirectory(prefix="godwit-bench-") as data_dir, servers(Path(data_dir)) as backend:
        services = declared_services()
        await prepare_services(backend.admin_url, backend.nats_url, services, role_passwords(services))
        sizes = {uuid4(): small, uuid4(): contacts_count}
        await fill(backend.admin_url, sizes)
        url = url_as(role_of("contacts"), backend.admin_url)
        config = Settings(database_url=url, nats_url=backend.nats_url, log_level="warning", log_format="console")
        async with running(build(config), config) as runtime:
            fields = [Field(runtime, project, size) for project, size in sizes.items()]
            asked = await counts(fields[1])
            log("counted")
            scans = [await field.prepare() for field in fields]
            pages = await listing(fields[1])
            log("listed")
            changed = await changing(fields, changes)
    return [asked, pages, changes_table(fields, scans, changed, changes)]


async def fill(admin_url: str, sizes: Mapping[UUID, int]) -> None:
    conn = await asyncpg.connect(admin_url)
    try:
        await conn.execute("set search_path = contacts")
        await populate(conn, sizes)
    finally:
        await conn.close()
    log(f"{sum(sizes.values()):,} contacts populated")


async def counts(field: Field) -> Table:
    table = table_of("count of whom a condition matches", "question", "contacts", "ours ms", "by hand ms", "ratio")
    async with field.runtime.pool.acquire() as conn:
        for name, condition, by_hand in BY_HAND:

            async def ours(condition: Condition = condition) -> int:
                return await matching.count_matching(conn, field.project, condition)

            ways = [ours, *(written(conn, sql, field.project) for sql in by_hand)]
            found, times = await timed(ways)
            assert len(set(found)) == 1, f"{name}: {found}"
            best = min(times[1:])
            table.add_row(name, f"{found[0]:,}", f"{times[0]:,.0f}", f"{best:,.0f}", f"{times[0] / best:.2f}")
    return table


def written(conn: Any, sql: str, project: UUID) -> Callable[[], Awaitable[int]]:
    async def ask() -> int:
        (row,) = await conn.fetch(sql, project)
        return int(row["count"])

    return ask


async def timed(ways: Sequence[Callable[[], Awaitable[int]]]) -> tuple[list[int], list[float]]:
    """Return the results and the median milliseconds of each query, run in turns so that noise affects all alike."""
    took: list[list[float]] = [[] for _ in ways]
    found = [await way() for way in ways]
    for _ in range(ROUNDS):
        for way, times in zip(ways, took, strict=True):
            started = time.perf_counter()
            await way()
            times.append((time.perf_counter() - started) * 1000)
    return found, [median(times) for times in took]


async def listing(field: Field) -> Table:
    """Measure pages from all over the segments, and counts, requested over the bus one after the other."""
    chance = random.Random(7)
    table = table_of("a saved segment, over the bus", "question", "contacts", "times", "p50 ms", "p95 ms")
    for name in ("a page of its contacts", "the count of its members"):
        took = []
        for _ in range(PAGES):
            segment = chance.choice(field.segments)
            started = time.perf_counter()
            if name.startswith("a page"):
                query = ListSegmentContacts(segment_id=segment, page=chance.randint(1, 100))
                await field.runtime.ask(field.project, query, SegmentContacts)
            else:
                await field.runtime.ask(field.project, CountSegment(segment_id=segment), MemberCount)
            took.append((time.perf_counter() - started) * 1000)
        cuts = quantiles(took, n=20)
        table.add_row(name, f"{field.size:,}", str(PAGES), f"{cuts[9]:.1f}", f"{cuts[18]:.1f}")
    return table


async def changing(fields: Sequence[Field], changes: int) -> list[float]:
    """Return the median of three turns: the first turn writes rows that later ones only update."""
    took: list[list[float]] = [[] for _ in fields]
    for _ in range(3):
        for field, times in zip(fields, took, strict=True):
            times.append(await field.change(changes))
            log(f"{field.size:,}: up to date in {times[-1]:.1f} s")
    return [median(times) for times in took]


def changes_table(fields: Sequence[Field], scans: Sequence[float], changed: Sequence[float], changes: int) -> Table:
    title = f"{changes:,} contacts changed, until the members of {len(SEGMENTS)} tracked segments are up to date"
    table = table_of(title, "contacts", "tracked events", "first scan s", "seconds", "ratio")
    for field, scan, seconds in zip(fields, scans, changed, strict=True):
        ratio = f"{seconds / changed[0]:.2f}"
        told = f"{field.size * EVENTS_EACH:,}"
        table.add_row(f"{field.size:,}", told, f"{scan:,.1f}", f"{seconds:,.1f}", ratio)
    return table


def log(text: str) -> None:
    """Print the progress: the full form takes a while."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def table_of(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    environment = {name: int(os.environ.get(f"BENCH_{name.upper()}", 0)) for name in ("contacts", "small")}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=environment["contacts"] or 50_000)
    parser.add_argument("--small", type=int, default=environment["small"] or 10_000)
    parser.add_argument("--changes", type=int, default=2_000)
    given = parser.parse_args(arguments)
    for table in asyncio.run(bench(given.contacts, given.small, given.changes)):
        console.print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
