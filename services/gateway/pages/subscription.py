"""Shows the pages, and does what their buttons say."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import asyncpg
import msgspec
import structlog
from nats.errors import Error as NatsError

from libs.kernel import links
from libs.kernel.instants import iso
from libs.kernel.links import InvalidToken, KeyRing, LinkTarget
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
from services.gateway.pages.page import Page
from services.gateway.pages.page_content import PageKind, Visit, page_of
from services.gateway.pages.pause import PauseLength, pause_end

log = structlog.get_logger()

CLICKS_PER_MINUTE = 30
TIMEOUT = 5.0

CommandFor: TypeAlias = Callable[[LinkTarget], SubscribeContact | UnsubscribeContact]


class Subscription:
    """Always returns a page, also for errors: a link in an old mail must always show something.

    `languages` are those that the browser asks for. The choice of the contact or the project comes first.
    """

    def __init__(self, bus: Bus, pool: "asyncpg.Pool[asyncpg.Record]", link_keys: KeyRing) -> None:
        self._bus = bus
        self._pool = pool
        self._keys = link_keys
        self._clicks = RateLimiter(CLICKS_PER_MINUTE)

    async def show(self, kind: PageKind, token: str, languages: list[str]) -> Page:
        """Return the page behind the link. Changes nothing."""

        async def page() -> Page:
            return page_of(kind, await self._visit(token, links.verify(self._keys, token), languages))

        return await _page_or_error(page, negotiate_locale(languages))

    async def subscribe(self, token: str, languages: list[str]) -> Page:
        return await self._change("subscribe", token, languages, _subscribe)

    async def unsubscribe(self, token: str, languages: list[str]) -> Page:
        return await self._change("unsubscribe", token, languages, _unsubscribe)

    async def pause(self, token: str, languages: list[str], length: PauseLength) -> Page:
        return await self._change("manage", token, languages, lambda target: _pause(target, length))

    async def _change(self, kind: PageKind, token: str, languages: list[str], command_for: CommandFor) -> Page:
        """Do what the button says and return the page after it. Doing it again changes nothing more."""

        async def page() -> Page:
            target = links.verify(self._keys, token)
            if not self._clicks.take(target.contact_id).allowed:
                return page_content.rate_limited(negotiate_locale(languages))
            await self._execute(target, command_for(target))
            return page_of(kind, await self._visit(token, target, languages))

        return await _page_or_error(page, negotiate_locale(languages))

    async def _execute(self, target: LinkTarget, command: SubscribeContact | UnsubscribeContact) -> None:
        meta = Meta(actor="link")
        await self._bus.execute(Envelope(id=uuid7(), project=target.project, message=command, at=now(), meta=meta))

    async def _visit(self, token: str, target: LinkTarget, languages: list[str]) -> Visit:
        answer = await self._bus.query(target.project, GetContact(contact_id=target.contact_id))
        contact = msgspec.json.decode(answer, type=ContactView)
        async with self._pool.acquire(timeout=TIMEOUT) as conn:
            sender = await sender_of(conn, target.project)
        return Visit(
            token, contact, sender.name, negotiate_locale([contact.data.get("locale"), sender.language, *languages])
        )


async def _page_or_error(page: Callable[[], Awaitable[Page]], locale: str) -> Page:
    """Return the page, or one that says why it cannot be shown."""
    try:
        return await page()
    except (InvalidToken, Rejected):
        return page_content.invalid_link(locale)
    except CommandPending:
        return page_content.accepted(locale)
    except (Unavailable, NatsError, *CONNECTION_ERRORS) as failure:
        log.warning("page.unavailable", error=repr(failure))
        return page_content.unavailable(locale)


def _subscribe(target: LinkTarget) -> SubscribeContact:
    return SubscribeContact(contact_id=target.contact_id)


def _unsubscribe(target: LinkTarget) -> UnsubscribeContact:
    return UnsubscribeContact(contact_id=target.contact_id, reason="link", email_id=target.email_id)


def _pause(target: LinkTarget, length: PauseLength) -> UnsubscribeContact:
    until = iso(pause_end(length, now()))
    return UnsubscribeContact(contact_id=target.contact_id, reason="snooze", email_id=target.email_id, until=until)
