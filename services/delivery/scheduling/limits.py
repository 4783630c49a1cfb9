"""Commands and queries on a project's sending limits, and their effect on queued mails.

Mails to a limited recipient domain have a queue partition of their own (the column `email.line`), so that nothing has
to wait behind them. They get it when they are queued; mails that are queued when the limits change are moved.
"""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.delivery.sending_limits import GetSendingLimits, SendingLimits, SetSendingLimits
from services.delivery.scheduling import sending_limits as decider
from services.delivery.scheduling.queue_walk import QueueWalk, Rows, Walk, start
from services.delivery.scheduling.read_models import sending_limit
from services.delivery.scheduling.sending_limits import INITIAL, ProjectLimits

PAGE_SIZE = 10_000
SECOND_RUN_AFTER = timedelta(minutes=1)
"""Longer than any transaction that still queues mails by the previous limits."""

MOVE_PAGE = """
with misplaced as materialized (
    select email.id, wanted.line
    from email
    left join sending_limit on sending_limit.project = email.project
    cross join lateral (select lower(substring(email.recipient from '[^@]*$')) as domain) as whose
    cross join lateral (select case when sending_limit.domains ? whose.domain then whose.domain else '' end as line)
        as wanted
    where email.state = 'queued' and email.project = $1 and email.line <> wanted.line
    limit $2
    for update of email skip locked
)
update email set line = misplaced.line from misplaced where email.id = misplaced.id
returning email.id
"""


class MoveMails(Walk, tag="move-mails", frozen=True, kw_only=True):
    """Move the project's queued mails into the partitions that its limits demand; `once_more` asks for a second run."""

    project_id: UUID
    once_more: bool = True

    @property
    def timer_key(self) -> str:
        return str(self.project_id)


def set_sending_limits() -> Aggregate[ProjectLimits]:
    """Return the handler of the command on limits."""
    return Aggregate(decider, key=_key, load=_load, reply=_reply, on_events=_then)


async def get_sending_limits(conn: Connection, project: UUID, _: GetSendingLimits) -> SendingLimits:
    found = await _find(conn, [project])
    limits = found[project].state if project in found else INITIAL
    return SendingLimits(per_second=limits.per_second, domains=limits.domains)


def _key(envelope: Envelope[SetSendingLimits]) -> UUID:
    return envelope.project


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> Mapping[Hashable, Loaded[ProjectLimits]]:
    return dict(await _find(conn, [envelope.project for envelope in envelopes]))


async def _find(conn: Connection, projects: Sequence[UUID]) -> dict[Hashable, Loaded[ProjectLimits]]:
    return {
        row["project"]: Loaded(
            ProjectLimits(per_second=row["per_second"], domains=msgspec.json.decode(row["domains"])),
            f"sending-limits-{row['project']}",
            row["version"],
        )
        for row in await sending_limit.find(conn, projects)
    }


def _reply(_: Envelope[Any], limits: ProjectLimits, events: Sequence[Any], now: datetime) -> SendingLimits:
    return SendingLimits(per_second=limits.per_second, domains=limits.domains)


async def _then(unit: UnitOfWork, envelope: Envelope[Any], events: Sequence[Any]) -> None:
    await start(unit, MoveMails(project_id=envelope.project), envelope)


async def _move_page(unit: UnitOfWork, envelope: Envelope[MoveMails], limit: int) -> Rows:
    return await unit.conn.fetch(MOVE_PAGE, envelope.message.project_id, limit)


async def _move_once_more(unit: UnitOfWork, envelope: Envelope[MoveMails]) -> None:
    if envelope.message.once_more:
        await start(unit, replace(envelope.message, once_more=False), envelope, SECOND_RUN_AFTER)


move_mails = QueueWalk(_move_page, page_size=PAGE_SIZE, at_end=_move_once_more)
