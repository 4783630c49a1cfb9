"""A minimal service for tests of the runtime: it keeps one number per key."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.schemas.base import Command, Event, Message, Query, View


class Add(Command, tag="add", frozen=True, kw_only=True):
    service: ClassVar[str] = "tally"
    key: str
    amount: int
    again_in: float | None = None


class Added(Event, tag="tally.added", frozen=True, kw_only=True):
    service: ClassVar[str] = "tally"
    stream: ClassVar[str] = "tally-{key}"
    key: str
    amount: int


class Noticed(Event, tag="other.noticed", frozen=True, kw_only=True):
    """An event of another service."""

    service: ClassVar[str] = "other"
    stream: ClassVar[str] = "other-{key}"
    key: str
    amount: int


class AddLater(Message, tag="add-later", frozen=True, kw_only=True):
    key: str
    amount: int


class GetTotal(Query, tag="get-total", frozen=True, kw_only=True):
    service: ClassVar[str] = "tally"
    key: str


class Total(View, frozen=True, kw_only=True):
    total: int


# --- the decider ---


INITIAL = 0


def decide(command: Add, total: int, now: datetime) -> list[Added]:
    if total + command.amount < 0:
        raise Rejected("BELOW_ZERO", "A tally must not go below zero")
    return [Added(key=command.key, amount=command.amount)] if command.amount else []


def evolve(total: int, event: Added) -> int:
    return total + event.amount


class Decider:
    INITIAL = INITIAL
    decide = staticmethod(decide)
    evolve = staticmethod(evolve)


# --- the read models ---


class TotalModel:
    """The state of each key."""

    NAME = "total"
    TABLES = ("total",)
    DDL = """
    create table if not exists total (
        project uuid, key text, total bigint not null, version int not null, primary key (project, key)
    );
    """
    EVENTS = (Added,)

    def __init__(self) -> None:
        self.broken = False

    async def project(self, conn: Connection, events: Sequence[Envelope[Any]]) -> None:
        if self.broken:
            raise RuntimeError("planted in the projection")
        for event in events:
            await conn.execute(
                """
                insert into total values ($1, $2, $3, $4) on conflict (project, key) do update
                set total = total.total + excluded.total, version = excluded.version
                """,
                event.project,
                event.message.key,
                event.message.amount,
                event.version,
            )


class NoticedModel:
    """Counts the events of another service."""

    NAME = "noticed"
    TABLES = ("noticed",)
    DDL = "create table if not exists noticed (project uuid, key text, total bigint, primary key (project, key));"
    EVENTS = (Noticed,)

    async def project(self, conn: Connection, events: Sequence[Envelope[Any]]) -> None:
        for event in events:
            await conn.execute(
                """
                insert into noticed values ($1, $2, $3)
                on conflict (project, key) do update set total = noticed.total + excluded.total
                """,
                event.project,
                event.message.key,
                event.message.amount,
            )


# --- handlers ---


async def load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> Mapping[Hashable, Loaded[int]]:
    rows = await conn.fetch(
        "select key, project, total, version from total where key = any($1)", [e.message.key for e in envelopes]
    )
    return {(row["project"], row["key"]): Loaded(row["total"], f"tally-{row['key']}", row["version"]) for row in rows}


adding = Aggregate(
    Decider(),
    key=lambda envelope: (envelope.project, envelope.message.key),
    load=load,
    reply=lambda envelope, total, events, now: Total(total=total),
)


async def add(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
    for envelope in envelopes:
        command = envelope.message
        if command.again_in is not None:
            later = AddLater(key=command.key, amount=command.amount)
            await unit.schedule_in(command.key, timedelta(seconds=command.again_in), later, envelope)
    return await adding(unit, envelopes)


async def add_later(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    as_commands = [
        msgspec.structs.replace(e, message=Add(key=e.message.key, amount=e.message.amount)) for e in envelopes
    ]
    await adding(unit, as_commands)


async def on_noticed(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    await add_later(unit, envelopes)


async def get_total(conn: Connection, project: UUID, query: GetTotal) -> Total:
    total = await conn.fetchval("select total from total where project = $1 and key = $2", project, query.key)
    if total is None:
        raise Rejected("NOT_FOUND", "Tally not found")
    return Total(total=total)


def build(settings: Settings, totals: TotalModel | None = None) -> Service:
    return Service(
        name="tally",
        commands={Add: add},
        reactions={Noticed: on_noticed},
        timers={AddLater: add_later},
        queries={GetTotal: get_total},
        read_models=[totals or TotalModel(), NoticedModel()],
        migrations=Path(__file__).parent / "tally_migrations",
    )
