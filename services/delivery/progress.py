"""Why a campaign's queued mails are not sent yet."""

from uuid import UUID

import asyncpg

from libs.runtime.bus import QueryHandler
from libs.runtime.store import Connection
from libs.schemas.delivery import GetSendingState, SendingState, WaitingFor
from services.delivery.read_models import campaign_hold

# One queued mail tells it: those that SES would not take come back with SES's code.
QUEUED = """
select reason, due_at > clock_timestamp() as later,
    (select paused from paused_project where paused_project.project = email.project) as project_paused,
    (select true from content where content.project = email.project and content.id = email.content_id) as arrived
from email
where project = $1 and campaign_id = $2 and state = 'queued'
order by reason nulls last
limit 1
"""
BUCKET = """
select rate, left_today, coalesce(throttled_at > clock_timestamp() - interval '10 seconds', false) as throttled
from bucket where region = $1
"""


def get_sending_state(region: str) -> QueryHandler:
    async def answer(conn: Connection, project: UUID, query: GetSendingState) -> SendingState:
        queued = await conn.fetchrow(QUEUED, project, query.campaign_id)
        bucket = await conn.fetchrow(BUCKET, region)
        hold = await campaign_hold.find(conn, [(project, query.campaign_id)])
        return SendingState(
            waiting_for=_waiting_for(queued, bucket, paused="paused" in hold.values()) if queued else None,
            detail=queued["reason"] if queued else None,
            rate=round(bucket["rate"], 1) if bucket else 0.0,
        )

    return answer


def _waiting_for(queued: asyncpg.Record, bucket: asyncpg.Record | None, *, paused: bool) -> WaitingFor:
    if paused:
        return "PAUSED"
    if queued["project_paused"]:
        return "PROJECT_PAUSED"
    if bucket and bucket["left_today"] < 1:
        return "DAILY_QUOTA"
    if queued["reason"]:
        return "SES_REFUSING"
    if bucket and bucket["throttled"]:
        return "THROTTLED"
    return "RATE_LIMIT" if queued["arrived"] else "NOT_ARRIVED"
