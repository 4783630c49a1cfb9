"""Walks over queued mails page by page, so that no transaction is long however many mails there are.

A page is handled in one transaction, which schedules the next page as a timer that is due at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

import asyncpg
from msgspec.structs import replace

from libs.runtime.eventstore.envelope import Cause, Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Message

PAGE_SIZE = 1000
AT_ONCE = timedelta(0)
BEFORE_FIRST = UUID(int=0)

Rows: TypeAlias = Sequence[asyncpg.Record]


class Walk(Message, frozen=True, kw_only=True):
    """How far a walk has come. Each kind of walk has its own message."""

    @property
    def timer_key(self) -> str:
        """What the walk is about: a new walk with the same key replaces this one."""
        raise NotImplementedError

    def after(self, rows: Rows) -> "Walk":
        """Return the walk as it continues after a full page of these rows."""
        return self


class CampaignWalk(Walk, frozen=True, kw_only=True):
    """A walk over a campaign's queued mails after `cursor`, in the order of their contacts."""

    campaign_id: UUID
    cursor: UUID = BEFORE_FIRST

    @property
    def timer_key(self) -> str:
        return str(self.campaign_id)

    def after(self, rows: Rows) -> Walk:
        return replace(self, cursor=rows[-1]["contact_id"])


W = TypeVar("W", bound=Walk)


class QueueWalk(Generic[W]):
    """Handles the pages of one kind of walk.

    `handle_page(unit, envelope, limit)` handles the next page of at most `limit` mails and returns their rows. The walk
    goes on while pages are full; then `at_end(unit, envelope)` is called.
    """

    def __init__(
        self,
        handle_page: Callable[[UnitOfWork, Envelope[W], int], Awaitable[Rows]],
        *,
        page_size: int = PAGE_SIZE,
        at_end: Callable[[UnitOfWork, Envelope[W]], Awaitable[None]] | None = None,
    ) -> None:
        self._handle_page = handle_page
        self.page_size = page_size
        self._at_end = at_end

    async def __call__(self, unit: UnitOfWork, envelopes: Sequence[Envelope[W]]) -> None:
        for envelope in envelopes:
            rows = await self._handle_page(unit, envelope, self.page_size)
            if len(rows) == self.page_size:
                await start(unit, envelope.message.after(rows), envelope)
            elif self._at_end:
                await self._at_end(unit, envelope)


async def start(unit: UnitOfWork, walk: Walk, cause: Cause, delay: timedelta = AT_ONCE) -> None:
    """Schedule the next page of the walk."""
    await unit.schedule_in(walk.timer_key, delay, walk, cause)


async def campaign_page(unit: UnitOfWork, sql: str, envelope: Envelope[Any], limit: int) -> Rows:
    """Return the next page of a campaign's walk; the statement takes project, campaign, cursor and limit."""
    walk = envelope.message
    return await unit.conn.fetch(sql, envelope.project, walk.campaign_id, walk.cursor, limit)
