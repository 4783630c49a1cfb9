"""Why a campaign's queued mails are not sent yet, and when they will be."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from libs.kernel.instants import iso
from libs.kernel.time_zones import zone_of
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.delivery.sending import GetSendingState, SendingState, WaitingFor
from services.delivery.scheduling import allowance
from services.delivery.scheduling.fairness import WHOLE
from services.delivery.scheduling.read_models import campaign_hold, campaign_pace
from services.delivery.scheduling.send_schedule import HOUR, Pace, finish

# The first in line tells it, and those that SES would not take: they come back within seconds, with SES's code. Both
# are found by the order of the queue, line by line: a campaign may have a million mails in it.
QUEUED = """
with lines as (
    select '' as line union all select jsonb_object_keys(domains) from sending_limit where project = $1
)
select first.due_at, first.reason, first.line, last.due_at as last_at, clock_timestamp() as now,
    first.content_id = $2 as of_rest,
    (select not decided from campaign_experiment where project = $1 and campaign_id = $2) as undecided,
    (select paused from paused_project where paused_project.project = $1) as project_paused,
    (select timezone from project_language where project_language.project = $1) as timezone,
    (select true from content where content.project = $1 and content.id = first.content_id) as arrived,
    (select reason from lines join email using (line)
     where state = 'queued' and lane = 2 and project = $1 and campaign_id = $2
        and due_at > clock_timestamp() and due_at < clock_timestamp() + interval '6 seconds'
        and reason not in ('SEND_RATE', 'SEND_WINDOW')
     limit 1) as refused
from (
    select head.* from lines cross join lateral (
        select due_at, reason, line, content_id from email
        where state = 'queued' and lane = 2 and project = $1 and email.line = lines.line and campaign_id = $2
        order by due_at limit 1
    ) head
    order by due_at limit 1
) first cross join lateral (
    select tail.* from lines cross join lateral (
        select due_at from email
        where state = 'queued' and lane = 2 and project = $1 and email.line = lines.line and campaign_id = $2
            and due_at < greatest(first.due_at, clock_timestamp()) + interval '50 years'
        order by due_at desc limit 1
    ) tail
    order by due_at desc limit 1
) last
"""
BUCKET = """
select rate, left_today, coalesce(throttled_at > clock_timestamp() - interval '10 seconds', false) as throttled
from bucket where region = $1
"""
OURS = ("SEND_WINDOW", "SEND_RATE")
"""Why we hold mails back ourselves."""


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a campaign's queue: the mail that is first in line, and what it goes by.

    `undecided` is that its A/B test has no winner yet, `of_rest` that the first in line is not in a test.
    """

    now: datetime
    due_at: datetime
    last_at: datetime
    reason: str | None = None
    refused: str | None = None
    project_paused: bool | None = None
    arrived: bool | None = None
    undecided: bool | None = None
    of_rest: bool | None = None
    timezone: str | None = None
    line: str = WHOLE
    pace: Pace = Pace()
    paused: bool = False
    limit: str | None = None
    """The line whose limit is slower than the account, WHOLE for the project's; None if there is none."""

    @property
    def held(self) -> WaitingFor | None:
        """What holds the first in line back, if it is we ourselves."""
        return cast(WaitingFor, self.reason) if self.reason in OURS and self.due_at > self.now else None

    @property
    def code(self) -> str | None:
        """SES's, where it does not take mails."""
        return self.refused or (None if self.reason in OURS else self.reason)


class Account(msgspec.Struct, frozen=True):
    """What SES takes now; nothing is known before it was asked."""

    rate: float = 0.0
    left_today: float = math.inf
    throttled: bool = False


def get_sending_state(region: str) -> QueryHandler:
    async def answer(conn: Connection, project: UUID, query: GetSendingState) -> SendingState:
        queue = await _queue(conn, project, query.campaign_id)
        row = await conn.fetchrow(BUCKET, region)
        limits = {line: limit.per_second for (_, line), limit in (await allowance.read(conn, [project])).items()}
        return state_of(*limited(queue, Account(*row) if row else Account(), limits), query.queued)

    return answer


def limited(queue: Queue | None, account: Account, limits: Mapping[str, float]) -> tuple[Queue | None, Account]:
    """Both as the project's own limits leave them. The slowest holds the mails, even if SES throttled a moment ago."""
    lines = (WHOLE, queue.line) if queue else (WHOLE,)
    slower = {line: limits[line] for line in lines if line in limits and limits[line] < account.rate}
    slowest = min(slower, key=lambda line: slower[line], default=None)
    if queue is None or slowest is None:
        return queue, account
    return replace(queue, limit=slowest), replace(account, rate=slower[slowest], throttled=False)


def state_of(queue: Queue | None, account: Account, queued: int) -> SendingState:
    """What the mails wait for, of whom so many are `queued`."""
    rate = round(account.rate, 2)
    if queue is None:
        return SendingState(waiting_for=None, detail=None, rate=rate)
    waiting_for = _waiting_for(queue, account)
    return SendingState(
        waiting_for=waiting_for,
        detail={"SES_REFUSING": queue.code, "DOMAIN_LIMIT": queue.limit}.get(waiting_for),
        rate=rate,
        until=iso(queue.due_at) if waiting_for in OURS and queue.held else None,
        eta_seconds=_eta(queue, account, queued) if _can_tell(queue) else None,
    )


async def _queue(conn: Connection, project: UUID, campaign_id: UUID) -> Queue | None:
    row: asyncpg.Record | None = await conn.fetchrow(QUEUED, project, campaign_id)
    if row is None:
        return None
    key = (project, campaign_id)
    hold = (await campaign_hold.find(conn, [key])).get(key)
    pace = (await campaign_pace.find(conn, [key])).get(key, Pace())
    return Queue(**dict(row), pace=pace, paused=hold == "paused")


def _waiting_for(queue: Queue, account: Account) -> WaitingFor:
    if queue.paused:
        return "PAUSED"
    if queue.project_paused:
        return "PROJECT_PAUSED"
    if queue.undecided and queue.of_rest:
        return "AB_WINNER"
    if account.left_today < 1:
        return "DAILY_QUOTA"
    if queue.held:
        return queue.held
    if queue.code:
        return "SES_REFUSING"
    if account.throttled:
        return "THROTTLED"
    if not queue.arrived:
        return "NOT_ARRIVED"
    if _slower(queue.pace, account.rate):
        return "SEND_RATE"
    if queue.limit is None:
        return "RATE_LIMIT"
    return "PROJECT_LIMIT" if queue.limit == WHOLE else "DOMAIN_LIMIT"


def _can_tell(queue: Queue) -> bool:
    """Whether it is known how it goes on, and not only what SES takes."""
    return queue.pace != Pace() and not queue.paused and not queue.undecided


def _slower(pace: Pace, rate: float) -> bool:
    return pace.rate is not None and pace.rate / HOUR.total_seconds() < rate


def _eta(queue: Queue, account: Account, queued: int) -> int | None:
    """In the project's zone, or when the last one is placed if that is later, as for readers in other zones."""
    end = finish(queue.pace, zone_of(queue.timezone) or UTC, queue.now, queued, account.rate)
    return math.ceil((max(end, queue.last_at) - queue.now).total_seconds()) if end else None
