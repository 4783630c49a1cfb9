"""The suppression rules of projects, at most a hundred each."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.suppressions import SuppressionRuleCreated, SuppressionRuleDeleted, SuppressionRuleUpdated
from services.delivery.suppression.rule import Rule

NAME = "suppression_rule"
TABLES = ("suppression_rule",)
EVENTS = (SuppressionRuleCreated, SuppressionRuleUpdated, SuppressionRuleDeleted)
DDL = """
create table if not exists suppression_rule (
    project uuid not null,
    id uuid not null,
    name text not null,
    kind text not null,
    pattern text not null,
    enabled boolean not null,
    version int not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project, id)
);
"""

SAVE = """
insert into suppression_rule (project, id, name, kind, pattern, enabled, version, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
on conflict (project, id) do update set
    name = excluded.name, kind = excluded.kind, pattern = excluded.pattern, enabled = excluded.enabled,
    version = excluded.version, updated_at = excluded.updated_at
"""
DELETE = "delete from suppression_rule where project = $1 and id = $2"
OF_PROJECTS = """
select project, id, name, kind, pattern, enabled, version, created_at, updated_at
from suppression_rule where project = any($1::uuid[]) order by project, created_at, id
"""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    """Fold the events one by one, because there are few."""
    for event in events:
        match event.message:
            case SuppressionRuleCreated() | SuppressionRuleUpdated() as rule:
                values = (rule.name, rule.kind, rule.pattern, rule.enabled, event.version, event.at)
                await conn.execute(SAVE, event.project, rule.rule_id, *values)
            case SuppressionRuleDeleted(rule_id=rule_id):
                await conn.execute(DELETE, event.project, rule_id)


async def rows(conn: Connection, projects: Collection[UUID]) -> Sequence[asyncpg.Record]:
    return await conn.fetch(OF_PROJECTS, list(projects))


async def of_projects(conn: Connection, projects: Collection[UUID]) -> dict[UUID, list[Rule]]:
    """Return the rules of each project, oldest first."""
    found: dict[UUID, list[Rule]] = {}
    for row in await rows(conn, projects):
        found.setdefault(row["project"], []).append(rule_of(row))
    return found


def rule_of(row: asyncpg.Record) -> Rule:
    return Rule(
        id=row["id"],
        name=row["name"],
        kind=row["kind"],
        pattern=row["pattern"],
        enabled=row["enabled"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
