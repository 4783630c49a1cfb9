"""What the pages say, and what their buttons do."""

from typing import Literal

import asyncpg
import msgspec
import structlog
from nats.errors import Error as NatsError

from libs.runtime import links
from libs.runtime.bus import Unavailable
from libs.runtime.clock import now, uuid7
from libs.runtime.envelope import Envelope, Meta
from libs.runtime.groupcommit import BROKEN
from libs.runtime.links import BadToken, Target
from libs.runtime.rejection import Rejected
from libs.schemas.contacts import ContactView, GetContact, SubscribeContact, UnsubscribeContact
from services.gateway.bus import Bus, Unanswered
from services.gateway.limits import Limiter
from services.gateway.pages.render import Action, Page
from services.gateway.read_models.project import name_of

log = structlog.get_logger()

CLICKS_PER_MINUTE = 30
TIMEOUT = 5.0

Wish = Literal["subscribe", "unsubscribe", "manage"]

GONE = Page(
    status=404,
    title="This link does not work",
    text="It may be incomplete. Please use the link in your email as a whole, or copy it again.",
)
LATER = Page(
    status=503,
    title="Not right now",
    text="We could not do this at the moment, and nothing was changed. Please try again in a minute.",
    retry_after=5,
)
TOO_OFTEN = Page(status=429, title="One moment, please", text="This link was used very often just now.", retry_after=60)
ON_ITS_WAY = Page(status=202, title="Thank you", text="Your choice is saved and takes effect in a moment.")


class Visit(msgspec.Struct, frozen=True):
    """Someone who follows a link: the contact as it is now, and what the sender is called."""

    token: str
    contact: ContactView
    sender: str


class Subscription:
    """Answers with pages, never with exceptions of its own: a link from an old mail must always say something."""

    def __init__(self, bus: Bus, pool: "asyncpg.Pool[asyncpg.Record]", link_key: str) -> None:
        self._bus = bus
        self._pool = pool
        self._key = link_key
        self._clicks = Limiter(CLICKS_PER_MINUTE)

    async def show(self, wish: Wish, token: str) -> Page:
        """The page behind the link. Changes nothing."""
        try:
            target = links.verify(self._key, token)
            return page_of(wish, await self._visit(token, target))
        except (BadToken, Rejected):
            return GONE
        except (Unavailable, NatsError, *BROKEN) as failure:
            return _later(failure)

    async def change(self, wish: Literal["subscribe", "unsubscribe"], token: str) -> Page:
        """Do what the button says. Doing it twice changes nothing more."""
        try:
            target = links.verify(self._key, token)
            if not self._clicks.take(target.contact_id).allowed:
                return TOO_OFTEN
            await self._tell(wish, target)
            return page_of(wish, await self._visit(token, target))
        except (BadToken, Rejected):
            return GONE
        except Unanswered:
            return ON_ITS_WAY
        except (Unavailable, NatsError, *BROKEN) as failure:
            return _later(failure)

    async def _tell(self, wish: Wish, target: Target) -> None:
        command = (
            SubscribeContact(contact_id=target.contact_id)
            if wish == "subscribe"
            else UnsubscribeContact(contact_id=target.contact_id, reason="link", email_id=target.email_id)
        )
        meta = Meta(actor="link")
        await self._bus.ask(Envelope(id=uuid7(), project=target.project, message=command, at=now(), meta=meta))

    async def _visit(self, token: str, target: Target) -> Visit:
        contact = await self._bus.query(target.project, GetContact(contact_id=target.contact_id))
        async with self._pool.acquire(timeout=TIMEOUT) as conn:
            sender = await name_of(conn, target.project)
        return Visit(token, msgspec.json.decode(contact, type=ContactView), sender or "this sender")


def page_of(wish: Wish, visit: Visit) -> Page:
    """The question that the link asks, or the state that makes it needless."""
    subscribe = Action("Subscribe", f"../subscribe/{visit.token}")
    unsubscribe = Action("Unsubscribe", f"../unsubscribe/{visit.token}")
    address, sender = visit.contact.email, visit.sender
    match wish, visit.contact.subscribed:
        case "unsubscribe", True:
            return Page(
                title="Unsubscribe", text=f"Stop all marketing emails from {sender} to {address}?", button=unsubscribe
            )
        case "subscribe", False:
            return Page(title="Subscribe", text=f"Receive emails from {sender} at {address}?", button=subscribe)
        case _, True:
            return Page(
                title="You are subscribed", text=f"{address} receives emails from {sender}.", button=unsubscribe
            )
        case _:
            return Page(
                title="You are unsubscribed",
                text=f"{address} gets no more marketing emails from {sender}.",
                button=Action("Subscribe again", subscribe.to),
            )


def _later(failure: Exception) -> Page:
    log.warning("page.unavailable", error=repr(failure))
    return LATER
