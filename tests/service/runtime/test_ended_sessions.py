"""A session that the server ends at any moment is a broken connection, which services survive."""

import asyncio

import asyncpg

from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.operations.migrations import role_of
from tests.conftest import Stack

ROUNDS = 40


async def test_a_statement_in_a_session_that_the_server_ends_fails_as_a_broken_connection(stack: Stack) -> None:
    admin = await asyncpg.connect(stack.admin_url)
    try:
        errors = [await _error_of_ended_session(stack, admin, number) for number in range(ROUNDS)]
    finally:
        await admin.close()
    assert [repr(each) for each in errors if not isinstance(each, CONNECTION_ERRORS)] == []


async def _error_of_ended_session(stack: Stack, admin: "asyncpg.Connection[asyncpg.Record]", number: int) -> Exception:
    """Return the error of the first statement that fails. The server's last words arrive at different moments."""
    conn = await asyncpg.connect(stack.url_as(role_of("contacts")), timeout=10)
    pid = await conn.fetchval("select pg_backend_pid()")
    await admin.execute("select pg_terminate_backend($1::int)", pid)
    try:
        while True:
            await conn.fetchval(f"select {number}")
            await asyncio.sleep(0)
    except Exception as error:
        return error
    finally:
        conn.terminate()
