"""What the gateway is made of."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog

from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.messaging.publisher import Publisher
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.schemas.gateway import GetProject, UpdateProject
from services.gateway.accounts.bootstrap import add_domain, create_project
from services.gateway.accounts.projects import change_projects, get_project
from services.gateway.accounts.read_models import api_key, project
from services.gateway.bus import pending_commands
from services.gateway.bus.bus import Bus
from services.gateway.http import application, idempotency
from services.gateway.http.server import serve_http
from services.gateway.smtp import serve_smtp
from services.gateway.sns import receiver_from
from services.gateway.sns.ingest import IngestQueue

log = structlog.get_logger()

MIGRATIONS = Path(__file__).parent / "migrations"
SWEEP_SECONDS = 600


def build(config: Settings) -> Service:
    return Service(
        name="gateway",
        commands={UpdateProject: change_projects(bool(config.configuration_set_untracked))},
        queries={GetProject: get_project},
        read_models=(project, api_key),
        migrations=MIGRATIONS,
        work=(serve, sweep),
    )


def openapi_schema() -> dict[str, Any]:
    """The OpenAPI description of the HTTP API."""
    return application.openapi_schema()


async def serve(runtime: Runtime) -> None:
    """Answer HTTP until cancelled. The process is ready once the first project is as the settings want it."""
    config, complete = runtime.settings, asyncio.Event()
    runtime.checks["bootstrap"] = lambda: _pending(complete)
    bus, intake = Bus(runtime.client, runtime.pool), IngestQueue(Publisher(runtime.client, "INGEST"))
    await bus.start()
    first = await create_project(runtime)
    app = application.make_app(config, runtime.pool, bus, receiver_from(config), intake)
    async with asyncio.TaskGroup() as tasks:
        storing = tasks.create_task(intake.run())
        relaying = tasks.create_task(serve_smtp(app, runtime))
        completing = tasks.create_task(_complete(bus, first, config.bootstrap_domain, complete))
        try:
            await serve_http(app, config.host, config.http_port)
        finally:
            storing.cancel()
            completing.cancel()
            relaying.cancel()


async def _complete(bus: Bus, first: UUID | None, domain: str, complete: asyncio.Event) -> None:
    if first:
        await add_domain(bus, first, domain)
    complete.set()


async def _pending(complete: asyncio.Event) -> str | None:
    return None if complete.is_set() else "the first project's domain is not added yet"


async def sweep(runtime: Runtime) -> None:
    """Forget answers that are kept no longer."""
    while True:
        try:
            await runtime.pool.execute(idempotency.FORGET)
            await pending_commands.forget(runtime.pool)
        except CONNECTION_ERRORS as broken:
            log.warning("sweep.database_unreachable", error=repr(broken))
        await asyncio.sleep(SWEEP_SECONDS)
