"""Migrations: numbered SQL files, and a database role for each service.

Migrations are plain SQL, with one schema per service. The database's owner runs them under an advisory lock, so several
replicas or operators may start them at once. Each file that ran is recorded by name, with a digest. A file that was
edited after it ran is rejected; a file that was only renamed is recognised by its digest and does not run again. Read
models are not migrated: missing tables are created here, and `godwit rebuild` changes existing ones.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import asyncpg
import structlog

from libs.runtime.eventstore.store import create_indexes
from libs.runtime.operations.row_security import create_query_role, protect_tables, share_tables
from libs.runtime.process.service import Service

log = structlog.get_logger()

RUNTIME_MIGRATIONS = Path(__file__).parent / "migrations"

LOCK = "select pg_advisory_xact_lock(hashtext('godwit.migrations'))"
ROLE_EXISTS = "select true from pg_roles where rolname = $1"
SCHEMA = """
create schema if not exists {schema};
grant usage on schema {schema} to {role};
alter role {role} set search_path = {schema};
alter role {role} set statement_timeout = '30s';
alter role {role} set idle_in_transaction_session_timeout = '30s';
alter default privileges in schema {schema} grant select, insert, update, delete on tables to {role};
alter default privileges in schema {schema} grant usage, select on sequences to {role};
set local search_path = {schema};
create table if not exists migrations (
    name text primary key,
    digest text not null,
    ran_at timestamptz not null default clock_timestamp()
);
"""
RAN = "select name, digest from migrations"
RECORD = "insert into migrations (name, digest) values ($1, $2)"
RENAME = "update migrations set name = $2 where name = $1"


class ChangedMigration(Exception):
    """Raised when a migration was edited after it ran. Write a new one instead."""


def role_of(service: str) -> str:
    return f"godwit_{service}"


async def migrate(
    conn: "asyncpg.Connection[Any]", services: Iterable[Service], passwords: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Bring the schema of every service up to date, all or nothing.

    `passwords` are set for the services' roles that it names.
    """
    async with conn.transaction():
        await conn.execute(LOCK)
        for service in services:
            await _migrate(conn, service, passwords.get(role_of(service.name)))


async def _migrate(conn: "asyncpg.Connection[Any]", service: Service, password: str | None) -> None:
    role = role_of(service.name)
    await _ensure_role(conn, role, password)
    await conn.execute(SCHEMA.format(schema=service.name, role=role))
    await create_query_role(conn, service.name, role)
    files = [*_files("runtime", RUNTIME_MIGRATIONS), *_files(service.name, service.migrations)]
    ran = await _load_ran(conn, dict(files))
    for name, sql in files:
        await _run(conn, name, sql, ran)
    for model in service.read_models:
        await conn.execute(model.DDL)
    await create_indexes(conn, service.read_models)
    await protect_tables(conn, service.name, service.name, role)
    await share_tables(conn, service.name, service.shared_tables)
    log.info("migrations.done", service=service.name)


async def _load_ran(conn: "asyncpg.Connection[Any]", files: Mapping[str, str]) -> dict[str, str]:
    """Return the digests of the migrations that ran, by name, after recording renamed files under their new names."""
    ran = {row["name"]: row["digest"] for row in await conn.fetch(RAN)}
    gone = {(_owner(name), digest): name for name, digest in ran.items() if name not in files}
    for name, sql in files.items():
        former = None if name in ran else gone.pop((_owner(name), _digest(sql)), None)
        if former:
            await conn.execute(RENAME, former, name)
            ran[name] = ran.pop(former)
            log.info("migrations.renamed", former=former, name=name)
    return ran


async def _run(conn: "asyncpg.Connection[Any]", name: str, sql: str, ran: Mapping[str, str]) -> None:
    digest = _digest(sql)
    if name not in ran:
        await conn.execute(sql)
        await conn.execute(RECORD, name, digest)
    elif ran[name] != digest:
        raise ChangedMigration(f"migration {name} was edited after it ran; undo that and add a new migration instead")


async def _ensure_role(conn: "asyncpg.Connection[Any]", role: str, password: str | None) -> None:
    if not await conn.fetchval(ROLE_EXISTS, role):
        await conn.execute(f"create role {role} login")
    if password:
        await conn.execute(f"alter role {role} password {_literal(password)}")


def _owner(name: str) -> str:
    return name.partition("/")[0]


def _digest(sql: str) -> str:
    return sha256(sql.encode()).hexdigest()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _files(owner: str, folder: Path) -> Sequence[tuple[str, str]]:
    """Return the migrations of a folder in order: (name, SQL)."""
    return [(f"{owner}/{file.name}", file.read_text()) for file in sorted(folder.glob("*.sql"))]
