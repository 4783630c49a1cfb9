"""Prepare a database and a NATS server for Godwit: roles, schemas, migrations, streams, consumers.

Safe to run again, and by several replicas at once.
"""

import asyncio
from collections.abc import Sequence

import asyncpg
import nats

from deploy.provisioning import streams
from deploy.services import declared_services
from libs.runtime.operations.migrations import migrate
from libs.runtime.process.service import Service

CONNECT_TIMEOUT = 10


def prepare(admin_url: str, nats_url: str, password: str | None = None) -> None:
    """Prepare both servers for all services. `admin_url` connects as the owner of the database."""
    asyncio.run(prepare_services(admin_url, nats_url, declared_services(), password))


async def prepare_services(
    admin_url: str, nats_url: str, services: Sequence[Service], password: str | None = None
) -> None:
    conn = await asyncpg.connect(admin_url, timeout=CONNECT_TIMEOUT)
    try:
        await migrate(conn, services, password)
    finally:
        await conn.close(timeout=CONNECT_TIMEOUT)
    client = await nats.connect(nats_url, connect_timeout=CONNECT_TIMEOUT, allow_reconnect=False)
    try:
        await streams.declare(client, services)
    finally:
        await client.close()
