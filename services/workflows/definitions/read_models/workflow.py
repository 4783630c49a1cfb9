"""The current state of each workflow, folded by the decider's `evolve`."""

from collections.abc import Collection, Sequence
from typing import get_args
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.eventstore.aggregate import evolve_states
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.workflows import (
    Step,
    TemplateStep,
    Transition,
    WorkflowUse,
)
from services.workflows.definitions import workflow as decider
from services.workflows.definitions.graph import Graph
from services.workflows.definitions.workflow import Event, Workflow

NAME = "workflow"
TABLES = ("workflow",)
EVENTS = get_args(Event)
DDL = """
create table if not exists workflow (
    project uuid not null,
    id uuid not null,
    version int not null,
    name text not null,
    description text,
    event_name text not null,
    enabled boolean not null,
    allow_reentry boolean not null,
    trigger_step_id uuid not null,
    steps jsonb not null,               -- without the TRIGGER step, which follows from the columns
    transitions jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project, id)
);
create index if not exists workflow_listening on workflow (project, event_name) where enabled;
"""

SAVE = """
insert into workflow (project, id, version, name, description, event_name, enabled, allow_reentry, trigger_step_id,
                      steps, transitions, created_at, updated_at)
select project, id, version, name, description, event_name, enabled, allow_reentry, trigger_step_id,
       steps, transitions, first_at, last_at
from unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::boolean[],
            $9::uuid[], $10::jsonb[], $11::jsonb[], $12::timestamptz[], $13::timestamptz[])
    as new (project, id, version, name, description, event_name, enabled, allow_reentry, trigger_step_id,
            steps, transitions, first_at, last_at)
on conflict (project, id) do update
    set version = excluded.version, name = excluded.name, description = excluded.description,
        event_name = excluded.event_name, enabled = excluded.enabled, allow_reentry = excluded.allow_reentry,
        steps = excluded.steps, transitions = excluded.transitions, updated_at = excluded.updated_at
"""
LOAD = """
select project, id, version, name, description, event_name, enabled, allow_reentry, trigger_step_id,
       steps, transitions, created_at, updated_at
from workflow
where (project, id) in (select * from unnest($1::uuid[], $2::uuid[]))
"""
LISTENERS = """
select project, event_name, id as workflow_id, allow_reentry, trigger_step_id
from workflow
where enabled and (project, event_name) in (select * from unnest($1::uuid[], $2::text[]))
order by created_at, id
"""
NEWEST = """
select project, id, version, name, description, event_name, enabled, allow_reentry, trigger_step_id,
       steps, transitions, created_at, updated_at
from workflow
where project = $1 order by created_at desc, id desc limit $2 offset $3
"""
SENDING = """
select step ->> 'id' as id, step ->> 'name' as name, workflow.id as workflow_id, workflow.name as workflow_name
from workflow cross join lateral jsonb_array_elements(workflow.steps) as step
where workflow.project = $1 and workflow.steps @> jsonb_build_array(jsonb_build_object('templateId', $2::text))
    and step ->> 'templateId' = $2::text
order by workflow.created_at, workflow.id, step ->> 'id'
"""
# Conditions of steps refer to a segment by its id; triggers, and steps that wait for an event, by its events.
OF_SEGMENT = """
select id, name, enabled from workflow
where project = $1 and (
    event_name in ('segment.' || $3 || '.entry', 'segment.' || $3 || '.exit')
    or strpos(lower(steps::text), '"segment.' || $2 || '"') > 0
    or strpos(steps::text, '"segment.' || $3 || '.entry"') > 0
    or strpos(steps::text, '"segment.' || $3 || '.exit"') > 0
)
order by created_at desc, id desc
limit 100
"""
# In a step the name is a string of its own, or part of the field of a filter on the event.
OF_EVENT = """
select id, name, enabled from workflow
where project = $1 and (
    event_name = $2
    or strpos(steps::text, to_json($2::text)::text) > 0
    or strpos(steps::text, to_json('event.' || $2::text)::text) > 0
)
order by created_at desc, id desc
limit 100
"""
COUNT = "select count(*) from workflow where project = $1"

Key = tuple[UUID, UUID]

_decode_steps = msgspec.json.Decoder(tuple[Step, ...]).decode
_decode_transitions = msgspec.json.Decoder(tuple[Transition, ...]).decode


class Listener(msgspec.Struct, frozen=True, kw_only=True):
    """An enabled workflow and the event that starts it."""

    workflow_id: UUID
    event_name: str
    allow_reentry: bool
    trigger_step_id: UUID


async def project(conn: Connection, events: Sequence[Envelope[Event]]) -> None:
    first = {_key(event): event for event in reversed(events)}
    last = {_key(event): event for event in events}
    stored = await load(conn, last.keys())
    states = evolve_states(decider, {key: state for key, (state, _) in stored.items()}, events, _key)
    changed = {key: state for key, state in states.items() if isinstance(state, Workflow)}
    await conn.execute(
        SAVE,
        [project for project, _ in changed],
        [workflow_id for _, workflow_id in changed],
        [last[key].version for key in changed],
        [state.name for state in changed.values()],
        [state.description for state in changed.values()],
        [state.event_name for state in changed.values()],
        [state.enabled for state in changed.values()],
        [state.allow_reentry for state in changed.values()],
        [state.trigger_step_id for state in changed.values()],
        [encode(state.steps).decode() for state in changed.values()],
        [encode(state.transitions).decode() for state in changed.values()],
        [first[key].at for key in changed],
        [last[key].at for key in changed],
    )


async def load(conn: Connection, keys: Collection[Key]) -> dict[Key, tuple[Workflow, int]]:
    """Return those of the workflows (project, id) that exist, each with its version."""
    rows = await conn.fetch(LOAD, [project for project, _ in keys], [workflow_id for _, workflow_id in keys])
    return {(row["project"], row["id"]): (_workflow(row), row["version"]) for row in rows}


async def graphs(conn: Connection, keys: Collection[Key]) -> dict[Key, Graph]:
    return {key: workflow.graph for key, (workflow, _) in (await load(conn, keys)).items()} if keys else {}


async def listeners(conn: Connection, events: Collection[tuple[UUID, str]]) -> dict[tuple[UUID, str], list[Listener]]:
    """Return the enabled workflows that these (project, event name) start, the oldest first."""
    rows = await conn.fetch(LISTENERS, [project for project, _ in events], [name for _, name in events])
    found: dict[tuple[UUID, str], list[Listener]] = {}
    for row in rows:
        found.setdefault((row["project"], row["event_name"]), []).append(msgspec.convert(dict(row), Listener))
    return found


async def steps_sending(conn: Connection, project: UUID, template_id: UUID) -> list[TemplateStep]:
    """Return the steps that send the template, those of the oldest workflow first."""
    rows = await conn.fetch(SENDING, project, str(template_id))
    return [
        TemplateStep(
            id=UUID(row["id"]), name=row["name"], workflow_id=row["workflow_id"], workflow_name=row["workflow_name"]
        )
        for row in rows
    ]


async def newest(conn: Connection, project: UUID, limit: int, offset: int) -> list[tuple[UUID, Workflow]]:
    return [(row["id"], _workflow(row)) for row in await conn.fetch(NEWEST, project, limit, offset)]


async def of_segment(conn: Connection, project: UUID, segment_id: UUID, slug: str) -> list[WorkflowUse]:
    """Return the newest workflows that use the segment or its events, at most 100."""
    rows = await conn.fetch(OF_SEGMENT, project, str(segment_id), slug)
    return [WorkflowUse(id=row["id"], name=row["name"], enabled=row["enabled"]) for row in rows]


async def of_event(conn: Connection, project: UUID, name: str) -> list[WorkflowUse]:
    """Return the newest workflows that the event starts or that use it in a step, at most 100."""
    rows = await conn.fetch(OF_EVENT, project, name)
    return [WorkflowUse(id=row["id"], name=row["name"], enabled=row["enabled"]) for row in rows]


async def count(conn: Connection, project: UUID) -> int:
    total: int = await conn.fetchval(COUNT, project)
    return total


def _key(event: Envelope[Event]) -> Key:
    return event.project, event.message.workflow_id


def _workflow(row: asyncpg.Record) -> Workflow:
    return Workflow(
        name=row["name"],
        description=row["description"],
        event_name=row["event_name"],
        enabled=row["enabled"],
        allow_reentry=row["allow_reentry"],
        trigger_step_id=row["trigger_step_id"],
        steps=_decode_steps(row["steps"]),
        transitions=_decode_transitions(row["transitions"]),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
