"""Commands on a project's sending limits, and what follows for the mails that wait.

A mail to a recipient domain that is limited stands in a line of its own (`email.line`), so that those behind it need
not wait with it. It is put there when it is queued; mails that wait when the limits change are moved.
"""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.base import Message
from libs.schemas.delivery.sending_limits import GetSendingLimits, SendingLimits, SetSendingLimits
from services.delivery.scheduling import sending_limits as decider
from services.delivery.scheduling.read_models import sending_limit
from services.delivery.scheduling.sending_limits import INITIAL, Limits

PAGE = 10_000
ONCE_MORE = timedelta(minutes=1)
"""Longer than a transaction can last that put mails into line by the limits as they were."""

MOVE = """
with wrong as materialized (
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
update email set line = wrong.line from wrong where email.id = wrong.id
returning email.id
"""


class MoveMails(Message, tag="move-mails", frozen=True, kw_only=True):
    """Have the project's mails that wait stand in the lines that its limits ask for."""

    project_id: UUID
    once_more: bool = True


def set_sending_limits() -> Aggregate[Limits]:
    """Handles the command on limits."""
    return Aggregate(decider, key=_key, load=_load, reply=_reply, on_events=_then)


async def get_sending_limits(conn: Connection, project: UUID, _: GetSendingLimits) -> SendingLimits:
    found = await _find(conn, [project])
    limits = found[project].state if project in found else INITIAL
    return SendingLimits(per_second=limits.per_second, domains=limits.domains)


async def move_mails(unit: UnitOfWork, envelopes: Sequence[Envelope[MoveMails]]) -> None:
    """A page of them, and then the next."""
    for envelope in envelopes:
        job = envelope.message
        moved = await unit.conn.fetch(MOVE, job.project_id, PAGE)
        if len(moved) == PAGE:
            await unit.schedule(str(job.project_id), unit.now, job, envelope)
        elif job.once_more:
            last = msgspec.structs.replace(job, once_more=False)
            await unit.schedule_in(str(job.project_id), ONCE_MORE, last, envelope)


def _key(envelope: Envelope[SetSendingLimits]) -> UUID:
    return envelope.project


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> Mapping[Hashable, Loaded[Limits]]:
    return dict(await _find(conn, [envelope.project for envelope in envelopes]))


async def _find(conn: Connection, projects: Sequence[UUID]) -> dict[Hashable, Loaded[Limits]]:
    return {
        row["project"]: Loaded(
            Limits(per_second=row["per_second"], domains=msgspec.json.decode(row["domains"])),
            f"sending-limits-{row['project']}",
            row["version"],
        )
        for row in await sending_limit.find(conn, projects)
    }


def _reply(_: Envelope[Any], limits: Limits, events: Sequence[Any], now: datetime) -> SendingLimits:
    return SendingLimits(per_second=limits.per_second, domains=limits.domains)


async def _then(unit: UnitOfWork, envelope: Envelope[Any], events: Sequence[Any]) -> None:
    await unit.schedule(str(envelope.project), unit.now, MoveMails(project_id=envelope.project), envelope)
