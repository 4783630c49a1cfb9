"""The links in mails."""

from litestar import HttpMethod, post, route
from litestar.params import FromPath
from litestar.router import Router

from services.gateway.answers import Answer
from services.gateway.call import Call
from services.gateway.pages.render import respond, respond_plainly
from services.gateway.pages.subscription import Subscription

ONE_CLICK = b"List-Unsubscribe=One-Click"
MAX_BYTES = 16 * 1024
LOOKING = [HttpMethod.GET, HttpMethod.HEAD]


def mail_links(subscription: Subscription) -> Router:
    """The pages by their paths. The token in the path is all the proof that they need."""

    @route("/unsubscribe/{token:str}", http_method=LOOKING)
    async def ask_to_unsubscribe(token: FromPath[str]) -> Answer:
        return respond(await subscription.show("unsubscribe", token))

    @route("/subscribe/{token:str}", http_method=LOOKING)
    async def ask_to_subscribe(token: FromPath[str]) -> Answer:
        return respond(await subscription.show("subscribe", token))

    @route("/manage/{token:str}", http_method=LOOKING)
    async def manage(token: FromPath[str]) -> Answer:
        return respond(await subscription.show("manage", token))

    @post("/unsubscribe/{token:str}", status_code=200)
    async def unsubscribe(token: FromPath[str], request: Call) -> Answer:
        """The page's button, or the one click of a mail program (RFC 8058)."""
        page = await subscription.change("unsubscribe", token)
        if ONE_CLICK in await request.body():
            return respond_plainly(page)
        return respond(page)

    @post("/subscribe/{token:str}", status_code=200)
    async def subscribe(token: FromPath[str]) -> Answer:
        return respond(await subscription.change("subscribe", token))

    handlers = [ask_to_unsubscribe, ask_to_subscribe, manage, unsubscribe, subscribe]
    return Router(path="/", route_handlers=handlers, request_max_body_size=MAX_BYTES, include_in_schema=False)
