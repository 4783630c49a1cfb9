"""Tracking of events, also from browsers and apps."""

from litestar import post
from litestar.params import JSONBody

from libs.runtime.clock import uuid7
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import TrackEvent
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.auth import ALLOWS_PUBLIC_KEY, require_room
from services.gateway.http.errors import invalid_field, too_large
from services.gateway.http.fields import Email, EventName
from services.gateway.http.json_body import Body
from services.gateway.http.rate_limits import RateLimits
from services.gateway.http.raw_response import RawResponse, data_response
from services.gateway.http.response_docs import command_responses
from services.gateway.routes.responses import Tracked

PUBLIC_BYTES = 32 * 1024
PUBLIC_PROPERTIES = 50


class TrackBody(Body, frozen=True, kw_only=True):
    email: Email
    event: EventName
    subscribed: bool | None = None
    data: Data | None = None


@post(
    "/v1/track",
    status_code=200,
    responses=command_responses(Tracked, 200),
    tags=["Public API"],
    opt={ALLOWS_PUBLIC_KEY: True},
)
async def track(data: JSONBody[TrackBody], request: ApiRequest) -> RawResponse:
    """Track an event

    Records an event of a contact, which is created as subscribed if the address is new, and starts the workflows that
    it triggers. Works with a public key as well, with which a request only adds: it neither changes the subscription of
    a contact that exists nor overwrites its data, and may have at most 50 properties and 32 KiB.
    """
    trusted = request.principal.kind == "secret"
    if not trusted:
        await _check_public(data, request)
    command = TrackEvent(
        contact_id=uuid7(),
        event_id=uuid7(),
        email=data.email,
        event=data.event,
        data=data.data or {},
        subscribed=data.subscribed if trusted or not data.subscribed else None,
        trusted=trusted,
        writable_fields=[] if trusted else request.app.state.public_key_fields,
    )
    return data_response(await request.execute(command))


async def _check_public(data: TrackBody, request: ApiRequest) -> None:
    if len(await request.body()) > PUBLIC_BYTES:
        raise too_large(PUBLIC_BYTES)
    if len(data.data or {}) > PUBLIC_PROPERTIES:
        raise invalid_field("data", f"Must have at most {PUBLIC_PROPERTIES} properties with a public key", "too_big")
    limits: RateLimits = request.app.state.rate_limits
    require_room(limits.take_address(request.project, data.email))
