"""What the pages' buttons do."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import msgspec
import structlog
from nats.errors import Error as NatsError

from libs.kernel import links
from libs.kernel.instants import iso
from libs.kernel.links import InvalidToken, LinkTarget
from libs.kernel.locales import negotiate_locale
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Envelope, Meta
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.schemas.contacts.contacts import (
    ContactView,
    GetContact,
    SubscribeContact,
    UnsubscribeContact,
)
from services.gateway.accounts.read_models.project import sender_of
from services.gateway.bus.bus import Bus, CommandPending
from services.gateway.http.limits import RateLimiter
from services.gateway.pages import page_content
from services.gateway.pages.page_content import PageKind, Visit, page_of
from services.gateway.pages.pause import PauseLength, pause_end
from services.gateway.pages.render import Page

log = structlog.get_logger()

CLICKS_PER_MINUTE = 30
TIMEOUT = 5.0

CommandFor: TypeAlias = Callable[[LinkTarget], SubscribeContact | UnsubscribeContact]


class Subscription:
    """Answers with pages, never with exceptions of its own: a link from an old mail must always say something.

    `wishes` are the languages that the browser asks for; what the contact or the project chose goes first.
    """

    def __init__(self, bus: Bus, pool: "asyncpg.Pool[asyncpg.Record]", link_key: str) -> None:
        self._bus = bus
        self._pool = pool
        self._key = link_key
        self._clicks = RateLimiter(CLICKS_PER_MINUTE)

    async def show(self, wish: PageKind, token: str, wishes: list[str]) -> Page:
        """The page behind the link. Changes nothing."""

        async def seen() -> Page:
            return page_of(wish, await self._visit(token, links.verify(self._key, token), wishes))

        return await _answered(seen, negotiate_locale(wishes))

    async def subscribe(self, token: str, wishes: list[str]) -> Page:
        return await self._change("subscribe", token, wishes, _subscribed)

    async def unsubscribe(self, token: str, wishes: list[str]) -> Page:
        return await self._change("unsubscribe", token, wishes, _unsubscribed)

    async def pause(self, token: str, wishes: list[str], length: PauseLength) -> Page:
        return await self._change("manage", token, wishes, lambda target: _paused(target, length))

    async def _change(self, wish: PageKind, token: str, wishes: list[str], order: CommandFor) -> Page:
        """Do what the button says. Doing it twice changes nothing more."""

        async def changed() -> Page:
            target = links.verify(self._key, token)
            if not self._clicks.take(target.contact_id).allowed:
                return page_content.too_often(negotiate_locale(wishes))
            await self._tell(target, order(target))
            return page_of(wish, await self._visit(token, target, wishes))

        return await _answered(changed, negotiate_locale(wishes))

    async def _tell(self, target: LinkTarget, command: SubscribeContact | UnsubscribeContact) -> None:
        meta = Meta(actor="link")
        await self._bus.execute(Envelope(id=uuid7(), project=target.project, message=command, at=now(), meta=meta))

    async def _visit(self, token: str, target: LinkTarget, wishes: list[str]) -> Visit:
        answer = await self._bus.query(target.project, GetContact(contact_id=target.contact_id))
        contact = msgspec.json.decode(answer, type=ContactView)
        async with self._pool.acquire(timeout=TIMEOUT) as conn:
            sender = await sender_of(conn, target.project)
        return Visit(
            token, contact, sender.name, negotiate_locale([contact.data.get("locale"), sender.language, *wishes])
        )


async def _answered(page: Callable[[], Awaitable[Page]], locale: str) -> Page:
    """The page, or the one that says why there is none."""
    try:
        return await page()
    except (InvalidToken, Rejected):
        return page_content.gone(locale)
    except CommandPending:
        return page_content.on_its_way(locale)
    except (Unavailable, NatsError, *CONNECTION_ERRORS) as failure:
        log.warning("page.unavailable", error=repr(failure))
        return page_content.later(locale)


def _subscribed(target: LinkTarget) -> SubscribeContact:
    return SubscribeContact(contact_id=target.contact_id)


def _unsubscribed(target: LinkTarget) -> UnsubscribeContact:
    return UnsubscribeContact(contact_id=target.contact_id, reason="link", email_id=target.email_id)


def _paused(target: LinkTarget, length: PauseLength) -> UnsubscribeContact:
    until = iso(pause_end(length, now()))
    return UnsubscribeContact(contact_id=target.contact_id, reason="snooze", email_id=target.email_id, until=until)
