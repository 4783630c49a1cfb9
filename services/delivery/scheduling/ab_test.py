"""A/B tests: recipients outside the test wait for its winner, and are released when that is decided.

They are queued with the content of their campaign, which does not exist until then, so no claim can take them. They are
parked as well, so that the sender does not look at them over and over. They are released by unparking them page by
page, like the mails of `campaign_holds`, so a campaign that is paused or cancelled keeps them as it keeps all others.
"""

from collections.abc import Sequence

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.campaigns.campaigns import CampaignWinnerDecided
from services.delivery.scheduling.campaign_holds import UNPARK
from services.delivery.scheduling.queue_walk import CampaignWalk, QueueWalk, Rows, campaign_page, start

PAGE = """
select id, contact_id from email
where project = $1 and campaign_id = $2 and contact_id > $3 and state = 'queued' and content_id = campaign_id
order by contact_id
limit $4
for update
"""


class ReleaseRest(CampaignWalk, tag="call-rest", frozen=True, kw_only=True):
    """Unpark the mails to recipients outside the campaign's test."""


async def begin(unit: UnitOfWork, envelopes: Sequence[Envelope[CampaignWinnerDecided]]) -> None:
    """Start releasing the recipients outside of each campaign's test."""
    for envelope in envelopes:
        await start(unit, ReleaseRest(campaign_id=envelope.message.campaign_id), envelope)


async def _unpark_page(unit: UnitOfWork, envelope: Envelope[ReleaseRest], limit: int) -> Rows:
    rows = await campaign_page(unit, PAGE, envelope, limit)
    await unit.conn.execute(UNPARK, [row["id"] for row in rows])
    return rows


release_rest = QueueWalk(_unpark_page)
