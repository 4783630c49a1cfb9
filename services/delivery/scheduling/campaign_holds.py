"""Holding back a campaign's mails: parked while it is paused, cancelled when it is.

It takes effect at once, because every claim looks at it. What is queued is swept besides, page by page, so that a
paused campaign does not keep the sender busy, and a cancelled one is soon over.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, UnitOfWork
from libs.schemas.base import Message
from libs.schemas.campaigns.campaigns import CampaignCancelled, CampaignPaused, CampaignResumed
from services.delivery.ledger import ledger
from services.delivery.ledger.email import cancel
from services.delivery.rendering.content_cache import Shelf
from services.delivery.scheduling import campaign_schedules
from services.delivery.scheduling.read_models import campaign_hold

PAGE_SIZE = 1000
AT_ONCE = timedelta(0)
BEFORE_ALL = UUID(int=0)

# Locked mails are waited for, not skipped: whoever has them may be about to park them by a hold that is over.
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
# What waits for the winner of an A/B test is called for when there is one, by the same statement: see `experiment`. A
# mail that is due already is left where it is in the line.
UNPARK = """
update email set due_at = clock_timestamp()
where id = any($1::uuid[]) and state = 'queued' and due_at > clock_timestamp() + interval '50 years'
    and not exists (
        select from campaign_experiment as test
        where test.project = email.project and test.campaign_id = email.content_id and not test.decided)
"""

Held = CampaignPaused | CampaignResumed | CampaignCancelled


class SweepCampaign(Message, tag="sweep-campaign", frozen=True, kw_only=True):
    """Do to the campaign's queued mails after `cursor`, in order of their contacts, what its hold says.

    `cause` is the pause, resumption or cancellation that it follows. Each is swept for by itself: a page that is under
    way for the one before goes on where it was, and must not have the next one begin there.
    """

    campaign_id: UUID
    cursor: UUID = BEFORE_ALL
    cause: UUID | None = None


async def begin(unit: UnitOfWork, envelopes: Sequence[Envelope[Held]]) -> None:
    """What is queued follows the campaign's latest hold."""
    await campaign_schedules.forget_places(unit, envelopes)
    for envelope in envelopes:
        await _follow(unit, SweepCampaign(campaign_id=envelope.message.campaign_id, cause=envelope.id), envelope)


async def sweep_again(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """More was queued of campaigns: those that are held are swept once more."""
    causes = {(envelope.project, envelope.message.campaign_id): envelope for envelope in envelopes}
    for key in await campaign_hold.find(unit.conn, causes.keys()):
        await _follow(unit, SweepCampaign(campaign_id=key[1]), causes[key])


def sweep(shelf: Shelf) -> BatchHandler:
    """One page of each campaign that is due, and the next one at once."""

    async def run(unit: UnitOfWork, envelopes: Sequence[Envelope[SweepCampaign]]) -> None:
        for envelope in envelopes:
            await _sweep_page(unit, envelope, shelf)

    return run


async def _sweep_page(unit: UnitOfWork, envelope: Envelope[SweepCampaign], shelf: Shelf) -> None:
    job, key = envelope.message, (envelope.project, envelope.message.campaign_id)
    rows = await unit.conn.fetch(PAGE, envelope.project, job.campaign_id, job.cursor, PAGE_SIZE)
    hold = (await campaign_hold.find(unit.conn, [key])).get(key, "none")  # once the mails are locked: see PAGE
    ids = [row["id"] for row in rows]
    if hold == "cancelled":
        await ledger.apply(unit, [(mail, cancel(mail)) for mail in await ledger.load(unit.conn, ids, shelf)])
    else:
        await unit.conn.execute(PARK if hold == "paused" else UNPARK, ids)
    if len(rows) == PAGE_SIZE:
        await _follow(unit, replace(job, cursor=rows[-1]["contact_id"]), envelope)
    elif hold == "none":
        await campaign_schedules.begin(unit, {key: envelope})


async def _follow(unit: UnitOfWork, job: SweepCampaign, cause: Envelope[Any]) -> None:
    key = f"sweep-{job.campaign_id}-{job.cause}" if job.cause else f"sweep-{job.campaign_id}"
    await unit.schedule_in(key, AT_ONCE, job, cause)
