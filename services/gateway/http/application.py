"""The HTTP application: the routes, authentication in front of them, and the handling of exceptions."""

from collections.abc import Callable, Sequence

import asyncpg
from litestar import Litestar, Router
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.types import ASGIApp

from services.gateway.accounts.keys import Keys
from services.gateway.bus.bus import CommandPending
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.auth import NEEDS_NO_KEY, Authentication
from services.gateway.http.exception_handlers import on_command_pending, on_error
from services.gateway.http.idempotency import IdempotencyMiddleware
from services.gateway.http.limits import MAX_REQUESTS_PER_PROJECT, Slots
from services.gateway.http.rate_limits import RateLimits

MAX_BODY = 256 * 1024


def make_application(
    handlers: Sequence[HTTPRouteHandler], middleware: Callable[[ASGIApp], ASGIApp], openapi: OpenAPIConfig
) -> Litestar:
    """Return the application. `middleware` wraps every route but those with the option NEEDS_NO_KEY."""
    with_key = [handler for handler in handlers if not _needs_no_key(handler)]
    return Litestar(
        route_handlers=[
            Router(path="/", route_handlers=with_key, middleware=[middleware], security=[{"key": []}]),
            *filter(_needs_no_key, handlers),
        ],
        request_class=ApiRequest,
        request_max_body_size=MAX_BODY,
        exception_handlers={Exception: on_error, HTTPException: on_error, CommandPending: on_command_pending},
        openapi_config=openapi,
        logging_config=None,
    )


def api_middleware(limits: RateLimits, pool: "asyncpg.Pool[asyncpg.Record]") -> Callable[[ASGIApp], ASGIApp]:
    """Return the middleware in front of the API. It is a function because Litestar copies other objects."""
    keys = Keys(pool)
    slots = Slots(MAX_REQUESTS_PER_PROJECT)

    def wrap(app: ASGIApp) -> ASGIApp:
        return Authentication(IdempotencyMiddleware(app, pool), keys, limits, slots)

    return wrap


def _needs_no_key(handler: HTTPRouteHandler) -> bool:
    return NEEDS_NO_KEY in handler.opt
