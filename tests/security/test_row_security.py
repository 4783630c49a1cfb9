"""Row-level security: what is forgotten in a query shows no row of another project.

The tables come from the catalog, so a table without policies fails here.
"""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.services import SERVICES, declared_services
from libs.runtime.messaging.project_connection import query_role_of
from libs.runtime.operations.migrations import role_of
from tests.conftest import Stack

TABLES = """
select relation.relname as name, relation.relrowsecurity as protected,
    (
        select attname::text from pg_attribute
        where attrelid = relation.oid and not attisdropped
            and attname = case relname when 'project' then 'id' else 'project' end
    ) as project,
    has_table_privilege($2::text, relation.oid, 'select') as readable,
    has_table_privilege($2::text, relation.oid, 'insert, update, delete, truncate') as writable
from pg_class as relation
where relnamespace = $1::regnamespace and relkind in ('r', 'p', 'v', 'm')
order by 1
"""
REQUIRED = """
select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute
where attrelid = $1::regclass and attnum > 0 and not attisdropped and attnotnull and not atthasdef
    and attidentity = '' and attname <> $2
"""
CHECKS = "select conname from pg_constraint where conrelid = $1::regclass and contype in ('c', 'f')"
VALUES = {
    "uuid": "gen_random_uuid()",
    "text": "gen_random_uuid()::text",
    "jsonb": "'{}'",
    "boolean": "true",
    "bytea": "''",
    "timestamp with time zone": "now()",
    "date": "now()",
}
SEE = "select set_config('godwit.project', $1, true)"


@pytest.fixture
async def owner(stack: Stack) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A connection of the owner whose changes are taken back."""
    async with stack.rolled_back() as conn:
        yield conn


async def tables_of(conn: "asyncpg.Connection[Any]", service: str) -> list[asyncpg.Record]:
    return list(await conn.fetch(TABLES, service, query_role_of(service)))


async def plant(conn: "asyncpg.Connection[Any]", table: str, project_column: str, project: UUID) -> None:
    """Insert a row of the project with some value in every column that needs one."""
    columns = {project_column: f"'{project}'"}
    for column in await conn.fetch(REQUIRED, table, project_column):
        columns[column["name"]] = VALUES.get(
            column["type"], "'{}'" if column["type"].endswith("[]") else "(random() * 30000)::int"
        )
    for check in await conn.fetch(CHECKS, table):
        await conn.execute(f"alter table {table} drop constraint {check['conname']}")
    await conn.execute(f"insert into {table} ({', '.join(columns)}) values ({', '.join(columns.values())})")


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_with_projects_shows_a_query_one_project_and_none_without_the_setting(
    owner: "asyncpg.Connection[Any]", service: str
) -> None:
    one, other = uuid4(), uuid4()
    found = {row["name"]: row["project"] for row in await tables_of(owner, service) if row["project"]}
    tables = {f"{service}.{name}": column for name, column in found.items() if name != "log"}
    assert len(tables) > 3
    for table, column in tables.items():
        await plant(owner, table, column, one)
        await plant(owner, table, column, other)
    await owner.execute(f"set local role {query_role_of(service)}")
    for table, column in tables.items():
        seen = []
        for project in ("", str(one), str(other)):
            await owner.execute(SEE, project)
            seen.append({row["project"] for row in await owner.fetch(f"select {column} as project from {table}")})
        assert seen == [set(), {one}, {other}], table


@pytest.mark.parametrize("service", SERVICES)
async def test_a_query_reads_only_protected_and_shared_tables_and_writes_none(
    owner: "asyncpg.Connection[Any]", service: str
) -> None:
    [declared] = declared_services([service])
    tables = await tables_of(owner, service)
    unprotected = {row["name"] for row in tables if row["readable"] and not row["protected"]}
    assert unprotected == set(declared.shared_tables)
    assert not [row["name"] for row in tables if row["project"] and row["name"] in declared.shared_tables]
    assert [row["name"] for row in tables if row["writable"]] == []


async def test_a_new_table_without_policies_is_noticed(owner: "asyncpg.Connection[Any]") -> None:
    await owner.execute("create table contacts.planted (project uuid)")
    await owner.execute(f"grant select on contacts.planted to {query_role_of('contacts')}")
    tables = await tables_of(owner, "contacts")
    assert [row["name"] for row in tables if row["readable"] and not row["protected"]] == ["planted"]


@pytest.mark.parametrize("service", SERVICES)
async def test_a_session_for_queries_never_saw_a_project_before_it_is_told_one(stack: Stack, service: str) -> None:
    conn = await asyncpg.connect(stack.url_as(role_of(service)), server_settings={"role": query_role_of(service)})
    try:
        assert await conn.fetchval("select current_setting('godwit.project', true)") is None
        assert await conn.fetchval("select count(*) from events") == 0
    finally:
        await conn.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_one_service_cannot_become_the_query_role_of_another(stack: Stack, service: str) -> None:
    conn = await asyncpg.connect(stack.url_as(role_of(service)))
    try:
        for other in set(SERVICES) - {service}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(f"set role {query_role_of(other)}")
    finally:
        await conn.close()
