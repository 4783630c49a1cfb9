"""The gateway, put together from its parts."""

import asyncio
from pathlib import Path
from typing import Any

from litestar.types import ASGIApp

from libs.runtime.messaging.publisher import Publisher
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Handlers, Service
from libs.runtime.process.settings import Settings
from services.gateway.accounts.bootstrap import Bootstrap
from services.gateway.accounts.handlers import account_handlers
from services.gateway.bus.bus import Bus
from services.gateway.docs.documentation import openapi_config
from services.gateway.http.application import api_middleware, make_application
from services.gateway.http.edge import Edge
from services.gateway.http.retention import delete_expired
from services.gateway.http.server import serve_http
from services.gateway.pages.subscription import Subscription
from services.gateway.routes.discovery import route_handlers
from services.gateway.smtp import serve_smtp
from services.gateway.sns import IngestQueue, receiver_from
from services.gateway.verification import verifier_from


def build(config: Settings) -> Service:
    migrations = Path(__file__).parent / "migrations"
    return Service.of("gateway", migrations, account_handlers(config), Handlers(work=(serve, delete_expired)))


def openapi_schema() -> dict[str, Any]:
    """Return the OpenAPI description of the HTTP API, as `/docs/openapi.json` has it."""
    return make_application(route_handlers(), lambda app: app, openapi_config()).openapi_schema.to_schema()


async def serve(runtime: Runtime) -> None:
    """Answer HTTP and SMTP until cancelled. The process is ready once the first project is set up."""
    bootstrap = Bootstrap(runtime)
    bus, queue = Bus(runtime.client, runtime.pool), IngestQueue(Publisher(runtime.client, "INGEST"))
    await bus.start()
    await bootstrap.create_project()
    app = _http_app(runtime, bus, queue)
    async with asyncio.TaskGroup() as tasks:
        work = (queue.run(), serve_smtp(app, runtime), bootstrap.add_domain(bus))
        running = [tasks.create_task(each) for each in work]
        try:
            await serve_http(app, runtime.settings.host, runtime.settings.http_port)
        finally:
            for task in running:
                task.cancel()


def _http_app(runtime: Runtime, bus: Bus, queue: IngestQueue) -> ASGIApp:
    config, pool = runtime.settings, runtime.pool
    app = make_application(route_handlers(), api_middleware(config, pool), openapi_config())
    app.state.verify = verifier_from(config)
    app.state.subscription = Subscription(bus, pool, config.link_key)
    app.state.sns_receiver, app.state.ingest_queue = receiver_from(config), queue
    return Edge(app, bus)
