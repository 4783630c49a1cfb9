"""The readiness checks of a running service."""

import asyncio
from functools import partial

import asyncpg
from nats.aio.client import Client

from libs.runtime.process.health import Check, HealthServer
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.serving import listen

READY_TIMEOUT = 1.0


def serve_health(tasks: asyncio.TaskGroup, runtime: Runtime) -> HealthServer | None:
    """Start the health server, if the settings name a port for it."""
    config = runtime.settings
    if config.health_port is None:
        return None
    listener = listen(config.health_host, config.health_port)
    server = HealthServer(_checks(runtime))
    tasks.create_task(server.serve([listener]))
    return server


def _checks(runtime: Runtime) -> dict[str, Check]:
    runtime.checks |= {
        "database": partial(check_database, runtime.pool),
        "nats": partial(check_nats, runtime.client),
        "service": partial(_check_started, runtime),
    }
    return runtime.checks


async def check_database(pool: "asyncpg.Pool[asyncpg.Record]") -> str | None:
    try:
        await pool.fetchval("select 1", timeout=READY_TIMEOUT)
    except Exception as error:
        return repr(error)
    return None


async def check_nats(client: Client) -> str | None:
    return None if client.is_connected else "not connected"


async def _check_started(runtime: Runtime) -> str | None:
    if runtime.stopping.is_set():
        return "stopping"
    return None if all(pull_loop.pulling for pull_loop in runtime.pull_loops) else "not pulling from the streams"
