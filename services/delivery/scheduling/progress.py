"""Tells why a campaign's queued mails are not sent yet, and when they will be."""

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
from services.delivery.scheduling.send_schedule import HOUR, SendSchedule, estimated_end

# The first mail in the queue shows the reason, and so do mails that SES did not accept: they are due again within
# seconds, with SES's code. Both are found in queue order, partition by partition: a campaign may have a million mails.
QUEUED = """
with partitions as (
    select '' as line union all select jsonb_object_keys(domains) from sending_limit where project = $1
)
select first.due_at, first.reason, first.line as partition, last.due_at as last_at, clock_timestamp() as now,
    first.content_id = $2 as of_rest,
    (select not decided from campaign_experiment where project = $1 and campaign_id = $2) as undecided,
    (select paused from paused_project where paused_project.project = $1) as project_paused,
    (select timezone from project_language where project_language.project = $1) as timezone,
    (select true from content where content.project = $1 and content.id = first.content_id) as arrived,
    (select reason from partitions join email using (line)
     where state = 'queued' and lane = 2 and project = $1 and campaign_id = $2
        and due_at > clock_timestamp() and due_at < clock_timestamp() + interval '6 seconds'
        and reason not in ('SEND_RATE', 'SEND_WINDOW')
     limit 1) as refused
from (
    select head.* from partitions cross join lateral (
        select due_at, reason, line, content_id from email
        where state = 'queued' and lane = 2 and project = $1 and email.line = partitions.line and campaign_id = $2
        order by due_at limit 1
    ) head
    order by due_at limit 1
) first cross join lateral (
    select tail.* from partitions cross join lateral (
        select due_at from email
        where state = 'queued' and lane = 2 and project = $1 and email.line = partitions.line and campaign_id = $2
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
OWN_REASONS = ("SEND_WINDOW", "SEND_RATE")
"""Reasons for which Godwit itself holds mails back."""


class CampaignQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a campaign's queue: its first mail, and what that one depends on.

    `undecided` means that the campaign's A/B test has no winner yet, `of_rest` that the first mail is outside the test.
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
    partition: str = WHOLE
    schedule: SendSchedule = SendSchedule()
    paused: bool = False
    limit: str | None = None
    """The partition whose limit is slower than the account, WHOLE for the whole project; None if there is none."""

    @property
    def held(self) -> WaitingFor | None:
        """What holds the first mail back, if it is Godwit itself."""
        return cast(WaitingFor, self.reason) if self.reason in OWN_REASONS and self.due_at > self.now else None

    @property
    def code(self) -> str | None:
        """SES's error code, if it does not accept mails."""
        return self.refused or (None if self.reason in OWN_REASONS else self.reason)


class AccountState(msgspec.Struct, frozen=True):
    """What SES accepts now; the defaults hold until it was asked for the first time."""

    rate: float = 0.0
    left_today: float = math.inf
    throttled: bool = False


def get_sending_state(region: str) -> QueryHandler:
    async def sending_state(conn: Connection, project: UUID, query: GetSendingState) -> SendingState:
        queue = await _queue(conn, project, query.campaign_id)
        row = await conn.fetchrow(BUCKET, region)
        limits = {
            partition: limit.per_second for (_, partition), limit in (await allowance.read(conn, [project])).items()
        }
        return state_of(*limited(queue, AccountState(*row) if row else AccountState(), limits), query.queued)

    return sending_state


def limited(
    queue: CampaignQueue | None, account: AccountState, limits: Mapping[str, float]
) -> tuple[CampaignQueue | None, AccountState]:
    """Return queue and account with the project's own limits applied: the slowest counts, even over throttling."""
    keys = (WHOLE, queue.partition) if queue else (WHOLE,)
    slower = {key: limits[key] for key in keys if key in limits and limits[key] < account.rate}
    slowest = min(slower, key=lambda key: slower[key], default=None)
    if queue is None or slowest is None:
        return queue, account
    return replace(queue, limit=slowest), replace(account, rate=slower[slowest], throttled=False)


def state_of(queue: CampaignQueue | None, account: AccountState, queued: int) -> SendingState:
    """Return what the campaign's mails, of which this many are `queued`, are waiting for."""
    rate = round(account.rate, 2)
    if queue is None:
        return SendingState(waiting_for=None, detail=None, rate=rate)
    waiting_for = _waiting_for(queue, account)
    return SendingState(
        waiting_for=waiting_for,
        detail={"SES_REFUSING": queue.code, "DOMAIN_LIMIT": queue.limit}.get(waiting_for),
        rate=rate,
        until=iso(queue.due_at) if waiting_for in OWN_REASONS and queue.held else None,
        eta_seconds=_eta(queue, account, queued) if _is_predictable(queue) else None,
    )


async def _queue(conn: Connection, project: UUID, campaign_id: UUID) -> CampaignQueue | None:
    row: asyncpg.Record | None = await conn.fetchrow(QUEUED, project, campaign_id)
    if row is None:
        return None
    key = (project, campaign_id)
    hold = (await campaign_hold.find(conn, [key])).get(key)
    schedule = (await campaign_pace.find(conn, [key])).get(key, SendSchedule())
    return CampaignQueue(**dict(row), schedule=schedule, paused=hold == "paused")


def _waiting_for(queue: CampaignQueue, account: AccountState) -> WaitingFor:
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
    if _is_slower(queue.schedule, account.rate):
        return "SEND_RATE"
    if queue.limit is None:
        return "RATE_LIMIT"
    return "PROJECT_LIMIT" if queue.limit == WHOLE else "DOMAIN_LIMIT"


def _is_predictable(queue: CampaignQueue) -> bool:
    """Return whether more than SES's rate is known about how the campaign continues."""
    return queue.schedule != SendSchedule() and not queue.paused and not queue.undecided


def _is_slower(schedule: SendSchedule, rate: float) -> bool:
    return schedule.rate is not None and schedule.rate / HOUR.total_seconds() < rate


def _eta(queue: CampaignQueue, account: AccountState, queued: int) -> int | None:
    """Return the seconds to the end in the project's zone, or to the last mail's due time (in other zones) if later."""
    end = estimated_end(queue.schedule, zone_of(queue.timezone) or UTC, queue.now, queued, account.rate)
    return math.ceil((max(end, queue.last_at) - queue.now).total_seconds()) if end else None
