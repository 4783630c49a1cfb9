"""The pages behind the links in mails. The token in the path is all the proof that they need."""

from typing import Any, get_args
from urllib.parse import parse_qs

import msgspec
from litestar import HttpMethod, post, route
from litestar.params import FromPath

from libs.kernel.locales import parse_accept_language
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.auth import NEEDS_NO_KEY
from services.gateway.http.raw_response import RawResponse
from services.gateway.pages.page_content import PAUSE
from services.gateway.pages.pause import PauseLength
from services.gateway.pages.render import respond, respond_plainly
from services.gateway.pages.subscription import Subscription

ONE_CLICK = b"List-Unsubscribe=One-Click"
MAX_BYTES = 16 * 1024
LOOKING = [HttpMethod.GET, HttpMethod.HEAD]
PAGE: dict[str, Any] = {"opt": {NEEDS_NO_KEY: True}, "include_in_schema": False, "request_max_body_size": MAX_BYTES}


@route("/unsubscribe/{token:str}", http_method=LOOKING, **PAGE)
async def ask_to_unsubscribe(token: FromPath[str], request: ApiRequest) -> RawResponse:
    return respond(await _subscription(request).show("unsubscribe", token, _languages(request)))


@route("/subscribe/{token:str}", http_method=LOOKING, **PAGE)
async def ask_to_subscribe(token: FromPath[str], request: ApiRequest) -> RawResponse:
    return respond(await _subscription(request).show("subscribe", token, _languages(request)))


@route("/manage/{token:str}", http_method=LOOKING, **PAGE)
async def manage(token: FromPath[str], request: ApiRequest) -> RawResponse:
    return respond(await _subscription(request).show("manage", token, _languages(request)))


@post("/unsubscribe/{token:str}", status_code=200, **PAGE)
async def unsubscribe(token: FromPath[str], request: ApiRequest) -> RawResponse:
    """Handle the button of the page, or the one-click request of a mail program (RFC 8058)."""
    page = await _subscription(request).unsubscribe(token, _languages(request))
    if ONE_CLICK in await request.body():
        return respond_plainly(page)
    return respond(page)


@post("/subscribe/{token:str}", status_code=200, **PAGE)
async def subscribe(token: FromPath[str], request: ApiRequest) -> RawResponse:
    return respond(await _subscription(request).subscribe(token, _languages(request)))


@post("/manage/{token:str}", status_code=200, **PAGE)
async def pause(token: FromPath[str], request: ApiRequest) -> RawResponse:
    """Handle the form that pauses mails. An unknown length changes nothing."""
    length = _length(await request.body())
    if length is None:
        return respond(await _subscription(request).show("manage", token, _languages(request)))
    return respond(await _subscription(request).pause(token, _languages(request), length))


def _subscription(request: ApiRequest) -> Subscription:
    subscription: Subscription = request.app.state.subscription
    return subscription


def _languages(request: ApiRequest) -> list[str]:
    return parse_accept_language(request.headers.get("accept-language", ""))


def _length(body: bytes) -> PauseLength | None:
    [length] = parse_qs(body.decode("latin-1"), max_num_fields=100).get(PAUSE, [""])[:1]
    return msgspec.convert(length, PauseLength) if length in get_args(PauseLength) else None
