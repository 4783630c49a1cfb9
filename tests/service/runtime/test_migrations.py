"""Migrations against a database on which earlier versions of them have run."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from libs.runtime.operations.migrations import ChangedMigration, migrate
from libs.runtime.process.service import Service
from tests.conftest import Stack

CREATE_A = "create table a (id int)"
CREATE_B = "create table b (id int)"
NAMES = "select name from renaming.migrations where name like 'renaming/%' order by name"


@pytest.fixture
async def conn(stack: Stack) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """Yield a connection whose changes, including the service's role, are rolled back."""
    async with stack.rolled_back() as conn:
        yield conn


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(name="renaming", migrations=tmp_path)


async def names(conn: "asyncpg.Connection[Any]") -> list[str]:
    return [row["name"] for row in await conn.fetch(NAMES)]


async def test_a_renamed_migration_does_not_run_again(
    conn: "asyncpg.Connection[Any]", service: Service, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.sql").write_text(CREATE_A)
    (tmp_path / "0001_b.sql").write_text(CREATE_B)
    await migrate(conn, [service])
    (tmp_path / "0001_b.sql").rename(tmp_path / "0002_b.sql")
    await migrate(conn, [service])
    assert await names(conn) == ["renaming/0001_a.sql", "renaming/0002_b.sql"]
    await migrate(conn, [service])


async def test_migrations_that_move_up_by_one_number_do_not_run_again(
    conn: "asyncpg.Connection[Any]", service: Service, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.sql").write_text(CREATE_A)
    (tmp_path / "0002_b.sql").write_text(CREATE_B)
    await migrate(conn, [service])
    (tmp_path / "0002_b.sql").rename(tmp_path / "0003_b.sql")
    (tmp_path / "0001_a.sql").rename(tmp_path / "0002_a.sql")
    (tmp_path / "0001_first.sql").write_text("create table first (id int)")
    await migrate(conn, [service])
    assert await names(conn) == ["renaming/0001_first.sql", "renaming/0002_a.sql", "renaming/0003_b.sql"]


async def test_a_new_migration_with_the_content_of_an_earlier_one_runs(
    conn: "asyncpg.Connection[Any]", service: Service, tmp_path: Path
) -> None:
    add_one = "create table if not exists a (id int); insert into a values (1)"
    (tmp_path / "0001_a.sql").write_text(add_one)
    await migrate(conn, [service])
    (tmp_path / "0002_again.sql").write_text(add_one)
    await migrate(conn, [service])
    assert await conn.fetchval("select count(*) from renaming.a") == 2


async def test_a_renamed_migration_that_was_also_edited_is_a_new_one(
    conn: "asyncpg.Connection[Any]", service: Service, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.sql").write_text(CREATE_A)
    await migrate(conn, [service])
    (tmp_path / "0001_a.sql").unlink()
    (tmp_path / "0002_b.sql").write_text(CREATE_B)
    await migrate(conn, [service])
    assert await names(conn) == ["renaming/0001_a.sql", "renaming/0002_b.sql"]


async def test_an_edited_migration_is_refused(
    conn: "asyncpg.Connection[Any]", service: Service, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.sql").write_text(CREATE_A)
    await migrate(conn, [service])
    (tmp_path / "0001_a.sql").write_text(CREATE_B)
    with pytest.raises(ChangedMigration):
        await migrate(conn, [service])
