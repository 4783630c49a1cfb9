"""Holds a campaign's mails back: parked while the campaign is paused, cancelled once it is cancelled.

A hold takes effect at once, because every claim checks it. The queued mails are swept as well, page by page, so that a
paused campaign does not keep the sender busy and a cancelled one is soon over.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.campaigns.campaigns import CampaignCancelled, CampaignPaused, CampaignResumed
from services.delivery.ledger import ledger
from services.delivery.ledger.email import cancel
from services.delivery.scheduling import campaign_schedules
from services.delivery.scheduling.queue_walk import CampaignWalk, QueueWalk, Rows, campaign_page, start
from services.delivery.scheduling.read_models import campaign_hold

# Waits for locked mails instead of skipping them: their holder may be about to park them for a hold that has ended.
PAGE = """
select id, contact_id from email
where project = $1 and campaign_id = $2 and contact_id > $3 and state = 'queued'
order by contact_id
limit $4
for update
"""
PARK = """
update email set due_at = clock_timestamp() + interval '100 years'
where id = any($1::uuid[]) and state = 'queued'
"""
# A mail that waits for the winner of an A/B test stays parked until `ab_test` runs this statement after the decision. A
# mail that is already due keeps its place in the queue.
UNPARK = """
update email set due_at = clock_timestamp()
where id = any($1::uuid[]) and state = 'queued' and due_at > clock_timestamp() + interval '50 years'
    and not exists (
        select from campaign_experiment as test
        where test.project = email.project and test.campaign_id = email.content_id and not test.decided)
"""

HoldEvent = CampaignPaused | CampaignResumed | CampaignCancelled


class SweepCampaign(CampaignWalk, tag="sweep-campaign", frozen=True, kw_only=True):
    """Park, unpark or cancel the campaign's queued mails, as its hold demands.

    `cause` is the pause, resumption or cancellation that the sweep follows. Each has a sweep of its own: if a new one
    replaced a sweep that is under way, it would continue at that one's cursor.
    """

    cause: UUID | None = None

    @property
    def timer_key(self) -> str:
        return f"sweep-{self.campaign_id}-{self.cause}" if self.cause else f"sweep-{self.campaign_id}"


async def begin(unit: UnitOfWork, envelopes: Sequence[Envelope[HoldEvent]]) -> None:
    """Start a sweep for each change of a campaign's hold."""
    await campaign_schedules.restart_placing(unit, envelopes)
    for envelope in envelopes:
        await start(unit, SweepCampaign(campaign_id=envelope.message.campaign_id, cause=envelope.id), envelope)


async def sweep_again(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Start another sweep of those campaigns that are held, because more of their mails were queued."""
    causes = {(envelope.project, envelope.message.campaign_id): envelope for envelope in envelopes}
    for key in await campaign_hold.find(unit.conn, causes.keys()):
        await start(unit, SweepCampaign(campaign_id=key[1]), causes[key])


async def _sweep_page(unit: UnitOfWork, envelope: Envelope[SweepCampaign], limit: int) -> Rows:
    rows = await campaign_page(unit, PAGE, envelope, limit)
    hold = await _hold_of(unit, envelope)  # only now that the mails are locked: see PAGE
    ids = [row["id"] for row in rows]
    if hold == "cancelled":
        await ledger.apply(unit, [(email, cancel(email)) for email in await ledger.read(unit.conn, ids)])
    else:
        await unit.conn.execute(PARK if hold == "paused" else UNPARK, ids)
    return rows


async def _place_unparked(unit: UnitOfWork, envelope: Envelope[SweepCampaign]) -> None:
    if await _hold_of(unit, envelope) == "none":
        await campaign_schedules.begin(unit, {(envelope.project, envelope.message.campaign_id): envelope})


async def _hold_of(unit: UnitOfWork, envelope: Envelope[SweepCampaign]) -> campaign_hold.Hold:
    key = envelope.project, envelope.message.campaign_id
    return (await campaign_hold.find(unit.conn, [key])).get(key, "none")


sweep = QueueWalk(_sweep_page, at_end=_place_unparked)
