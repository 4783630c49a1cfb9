"""Prepare a database and a NATS server for Godwit: roles, schemas, migrations, streams, consumers.

Safe to run again, and by several replicas at once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import asyncpg
import nats

from deploy.provisioning import streams
from deploy.provisioning.permissions import OPERATOR
from deploy.services import declared_services
from libs.runtime.messaging.reply_inbox import inbox_prefix
from libs.runtime.operations.migrations import migrate
from libs.runtime.process.service import Service

CONNECT_TIMEOUT = 10


def prepare(admin_url: str, nats_url: str, passwords: Mapping[str, str]) -> None:
    """Prepare both servers for all services.

    `admin_url` connects as the owner of the database, `nats_url` as the operator. `passwords` are set for the database
    roles that it names.
    """
    asyncio.run(prepare_services(admin_url, nats_url, declared_services(), passwords))


async def prepare_services(
    admin_url: str, nats_url: str, services: Sequence[Service], passwords: Mapping[str, str] = MappingProxyType({})
) -> None:
    conn = await asyncpg.connect(admin_url, timeout=CONNECT_TIMEOUT)
    try:
        await migrate(conn, services, passwords)
    finally:
        await conn.close(timeout=CONNECT_TIMEOUT)
    client = await nats.connect(
        nats_url, connect_timeout=CONNECT_TIMEOUT, allow_reconnect=False, inbox_prefix=inbox_prefix(OPERATOR)
    )
    try:
        await streams.declare(client, services)
    finally:
        await client.close()
