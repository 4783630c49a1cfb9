"""The application: routes, the gate before them, and the edge around it all."""

from collections.abc import Callable
from functools import partial
from typing import Any

import asyncpg
from litestar import Litestar, Request, Response, Router
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from libs.runtime.eventstore.codec import encode
from libs.runtime.process.settings import Settings
from services.gateway.accounts.keys import Keys
from services.gateway.bus.bus import Bus, CommandPending
from services.gateway.docs.documentation import described, openapi
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.auth import Authentication
from services.gateway.http.edge import Edge
from services.gateway.http.errors import (
    JSON,
    RETRY_SECONDS,
    api_error_of,
    error_json,
)
from services.gateway.http.idempotency import IdempotencyMiddleware
from services.gateway.http.limits import RateLimiter
from services.gateway.http.request_context import context_of
from services.gateway.pages.subscription import Subscription
from services.gateway.routes import (
    analytics,
    bulk,
    campaign_ab_test,
    campaign_resend,
    campaign_results,
    campaigns,
    commands,
    confirmation,
    contact_fields,
    contacts,
    domains,
    emails,
    events,
    exports,
    imports,
    projects,
    reputation,
    segments,
    sending,
    sending_limits,
    status,
    suppressions,
    templates,
    workflows,
)
from services.gateway.routes.links import mail_links
from services.gateway.routes.v1 import (
    campaigns as campaigns_v1,
)
from services.gateway.routes.v1 import (
    contacts as contacts_v1,
)
from services.gateway.routes.v1 import (
    send,
    track,
    verify,
)
from services.gateway.routes.webhooks import take, webhooks
from services.gateway.sns import SnsReceiver
from services.gateway.sns.ingest import IngestQueue
from services.gateway.verification import verifier_from

MAX_BODY = 256 * 1024

API = [
    *track.ROUTES,
    *send.ROUTES,
    *verify.ROUTES,
    *contacts.ROUTES,
    *confirmation.ROUTES,
    *contact_fields.ROUTES,
    *contacts_v1.ROUTES,
    *imports.ROUTES,
    *exports.ROUTES,
    *events.ROUTES,
    *bulk.ROUTES,
    *segments.ROUTES,
    *templates.ROUTES,
    *campaigns.ROUTES,
    *campaign_results.ROUTES,
    *campaign_ab_test.ROUTES,
    *campaign_resend.ROUTES,
    *campaigns_v1.ROUTES,
    *workflows.ROUTES,
    *emails.ROUTES,
    *analytics.ROUTES,
    *domains.ROUTES,
    *sending.ROUTES,
    *sending_limits.ROUTES,
    *suppressions.ROUTES,
    *projects.ROUTES,
    *reputation.ROUTES,
    *commands.ROUTES,
]
"""Everything that needs an API key."""


def make_app(
    config: Settings, pool: "asyncpg.Pool[asyncpg.Record]", bus: Bus, receiver: SnsReceiver, intake: IngestQueue
) -> ASGIApp:
    """The whole HTTP side of a gateway process."""
    pages = mail_links(Subscription(bus, pool, config.link_key))
    app = _litestar(gate(config, pool), webhooks(partial(take, receiver, intake)), pages)
    app.state.verify = verifier_from(config)
    return Edge(app, bus)


def openapi_schema() -> dict[str, Any]:
    """The description of the API, as `/docs/openapi.json` has it."""
    app = _litestar(lambda app: app, webhooks(_nowhere))
    return app.openapi_schema.to_schema()


def _litestar(before: Callable[[ASGIApp], ASGIApp], *others: Router) -> Litestar:
    api = Router(path="/", route_handlers=described(API), middleware=[before], security=[{"key": []}])
    return Litestar(
        route_handlers=[api, *others, *described([status.about, status.livez])],
        request_class=ApiRequest,
        request_max_body_size=MAX_BODY,
        exception_handlers={Exception: on_error, HTTPException: on_error, CommandPending: on_unanswered},
        openapi_config=openapi(),
        logging_config=None,
    )


async def _nowhere(_: bytes) -> None:
    """Where notifications go while the API is only described."""


def gate(config: Settings, pool: "asyncpg.Pool[asyncpg.Record]") -> Callable[[ASGIApp], ASGIApp]:
    """What stands before every route of the API. A function, because Litestar copies other objects that it is given."""
    keys = Keys(pool)
    limiter = RateLimiter(config.api_rate_limit) if config.api_rate_limit else None

    def before(app: ASGIApp) -> ASGIApp:
        return Authentication(IdempotencyMiddleware(app, pool), keys, limiter)

    return before


def on_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    problem = api_error_of(error)
    body = error_json(problem, context_of(request.scope).request_id)
    return Response(body, status_code=problem.status, media_type=JSON, headers=problem.headers)


def on_unanswered(_: Request[Any, Any, Any], error: CommandPending) -> Response[bytes]:
    """Accepted, but not done yet: the answer can be had at Location."""
    command = str(error.command_id)
    body = encode({"success": True, "data": {"command": command}, "command": command})
    headers = {"Location": f"/commands/{command}", "Retry-After": str(RETRY_SECONDS)}
    return Response(body, status_code=202, media_type=JSON, headers=headers)
