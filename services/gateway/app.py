"""The gateway, put together from its parts."""

import asyncio
from pathlib import Path
from typing import Any

from libs.runtime.messaging.publisher import Publisher
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Handlers, Service
from libs.runtime.process.settings import Settings, require_own_link_key
from services.gateway.accounts.bootstrap import Bootstrap, require_strong_keys
from services.gateway.accounts.handlers import account_handlers
from services.gateway.bus.bus import Bus
from services.gateway.docs.documentation import openapi_config
from services.gateway.http.application import api_middleware, make_application
from services.gateway.http.edge import Edge
from services.gateway.http.rate_limits import RateLimits
from services.gateway.http.retention import delete_expired
from services.gateway.http.server import serve_http
from services.gateway.http.work_slots import work_slots
from services.gateway.pages.subscription import Subscription
from services.gateway.routes.discovery import route_handlers
from services.gateway.smtp.server import serve_smtp
from services.gateway.sns import IngestQueue, receiver_from
from services.gateway.verification import verifier_from


def build(config: Settings) -> Service:
    require_strong_keys(config)
    require_own_link_key(config)
    migrations = Path(__file__).parent / "migrations"
    return Service.of("gateway", migrations, account_handlers(config), Handlers(work=(serve, delete_expired)))


def openapi_schema() -> dict[str, Any]:
    """Return the OpenAPI description of the HTTP API, as `/docs/openapi.json` has it."""
    return make_application(route_handlers(), lambda app: app, openapi_config()).openapi_schema.to_schema()


async def serve(runtime: Runtime) -> None:
    """Answer HTTP and SMTP until cancelled. The process is ready once the first project is set up."""
    config, bootstrap = runtime.settings, Bootstrap(runtime)
    bus, queue = Bus(runtime.client, runtime.pool), IngestQueue(Publisher(runtime.client, "INGEST"))
    await bus.start()
    await bootstrap.create_project()
    limits = RateLimits(config)
    application = make_application(route_handlers(), api_middleware(limits, runtime.pool), openapi_config())
    application.state.verify, application.state.public_key_fields = verifier_from(config), config.fields_of_public_keys
    application.state.rate_limits, application.state.work_slots = limits, work_slots()
    application.state.subscription = Subscription(bus, runtime.pool, config.link_keys)
    application.state.sns_receiver, application.state.ingest_queue = receiver_from(config), queue
    app = Edge(application, bus)
    async with asyncio.TaskGroup() as tasks:
        work = (queue.run(), serve_smtp(app, runtime), bootstrap.add_domain(bus))
        running = [tasks.create_task(each) for each in work]
        try:
            await serve_http(app, config)
        finally:
            for task in running:
                task.cancel()
