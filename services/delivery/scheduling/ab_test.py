"""A/B tests: who is not in one waits for its winner, and is called for when that is decided.

Those who wait are queued with the content of their campaign, of which there is none until then, so no claim can take
them. They are parked besides, so that the sender need not look at them over and over. Calling for them goes page by
page, beside the sweeps of `holding`: a campaign that is paused or cancelled then keeps what is called for, as any
other.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Message
from libs.schemas.campaigns.campaigns import CampaignWinnerDecided
from services.delivery.scheduling.campaign_holds import AT_ONCE, BEFORE_ALL, UNPARK

PAGE_SIZE = 1000

PAGE = """
select id, contact_id from email
where project = $1 and campaign_id = $2 and contact_id > $3 and state = 'queued' and content_id = campaign_id
order by contact_id
limit $4
for update
"""


class CallRest(Message, tag="call-rest", frozen=True, kw_only=True):
    """Let those go who are not in the campaign's test, after `cursor`, in the order of their contacts."""

    campaign_id: UUID
    cursor: UUID = BEFORE_ALL


async def begin(unit: UnitOfWork, envelopes: Sequence[Envelope[CampaignWinnerDecided]]) -> None:
    for envelope in envelopes:
        await _follow(unit, CallRest(campaign_id=envelope.message.campaign_id), envelope)


async def call(unit: UnitOfWork, envelopes: Sequence[Envelope[CallRest]]) -> None:
    """One page of each campaign that is due, and the next one at once."""
    for envelope in envelopes:
        job = envelope.message
        rows = await unit.conn.fetch(PAGE, envelope.project, job.campaign_id, job.cursor, PAGE_SIZE)
        await unit.conn.execute(UNPARK, [row["id"] for row in rows])
        if len(rows) == PAGE_SIZE:
            await _follow(unit, replace(job, cursor=rows[-1]["contact_id"]), envelope)


async def _follow(unit: UnitOfWork, job: CallRest, cause: Envelope[Any]) -> None:
    await unit.schedule_in(str(job.campaign_id), AT_ONCE, job, cause)
