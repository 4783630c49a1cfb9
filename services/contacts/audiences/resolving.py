"""Resolves the audience of a campaign: pages of contacts in the order of their ids, each announced by an event.

Every page is one firing of a timer. The page, the timer of the next page and the note that this one has fired commit
together, so after a crash at any moment work continues with the page that was not committed. No page comes twice: the
stream of an audience starts once, and page n is its version n + 1.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from msgspec.structs import replace

from libs.kernel.ab_assignment import variant_of
from libs.kernel.rejection import Rejected
from libs.runtime import crash
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection, UnitOfWork
from libs.schemas.base import Message
from libs.schemas.campaigns.campaigns import CampaignSendingStarted
from libs.schemas.contacts.contacts import (
    AudienceMember,
    AudiencePageResolved,
    AudienceResolved,
    AudienceStarted,
    Condition,
)
from services.contacts.audiences.selection import Selection, Unresolvable, load_members, resolve

log = structlog.get_logger()

NOW = timedelta(0)
BEFORE_ALL = UUID(int=0)

STARTED = "select stream from events where stream = any($1::text[]) and version = 1"


class ResolveAudience(Message, tag="resolve-audience", frozen=True, kw_only=True):
    """Resolve the page after `cursor`.

    `condition` is the audience's as it was when the campaign started; None is everyone. `lists` are static segments
    that contacts must all be in. `variants` are the keys of the A/B test that `share_percent` of the audience take part
    in. `page` and `total` count what is already resolved.
    """

    campaign_id: UUID
    condition: Condition | None
    subscribed_only: bool
    lists: tuple[UUID, ...] = ()
    variants: tuple[str, ...] = ()
    share_percent: int = 0
    cursor: UUID = BEFORE_ALL
    page: int = 0
    total: int = 0


async def start_audiences(unit: UnitOfWork, envelopes: Sequence[Envelope[CampaignSendingStarted]]) -> None:
    """Start resolving the audience of each campaign once."""
    started = await _load_started(unit.conn, envelopes)
    for envelope in envelopes:
        campaign = envelope.message.campaign_id
        if campaign not in started:
            started.add(campaign)
            unit.append([AudienceStarted(campaign_id=campaign)], envelope)
            await _start(unit, envelope)


def resolve_pages(page_size: int) -> BatchHandler:
    """Return the handler that resolves one page of each audience that is due, and schedules the next page at once."""

    async def run(unit: UnitOfWork, envelopes: Sequence[Envelope[ResolveAudience]]) -> None:
        for envelope in envelopes:
            await _resolve_page(unit, envelope, page_size)

    return run


async def _start(unit: UnitOfWork, envelope: Envelope[CampaignSendingStarted]) -> None:
    campaign = envelope.message
    try:
        selection = await resolve(unit.conn, envelope.project, campaign.audience)
    except (Unresolvable, Rejected) as error:
        # the campaign ends without recipients, instead of staying in SENDING for ever
        log.error("audience.unresolvable", campaign=str(campaign.campaign_id), error=str(error))
        unit.append([AudienceResolved(campaign_id=campaign.campaign_id, pages=0, total=0)], envelope)
        return
    first = ResolveAudience(
        campaign_id=campaign.campaign_id,
        condition=selection.condition,
        lists=tuple(selection.lists),
        subscribed_only=campaign.content.kind != "TRANSACTIONAL",
        variants=tuple(campaign.ab_test.keys) if campaign.ab_test else (),
        share_percent=campaign.ab_test.share_percent if campaign.ab_test else 0,
    )
    await unit.schedule_in(str(campaign.campaign_id), NOW, first, envelope)


async def _resolve_page(unit: UnitOfWork, envelope: Envelope[ResolveAudience], page_size: int) -> None:
    job = envelope.message
    unit.expect(_stream(job.campaign_id), job.page + 1)
    members = await load_members(
        unit.conn,
        envelope.project,
        Selection(job.condition, job.lists),
        after=job.cursor,
        subscribed_only=job.subscribed_only,
        limit=page_size,
    )
    if members:
        job = replace(job, cursor=members[-1].contact_id, page=job.page + 1, total=job.total + len(members))
        page = AudiencePageResolved(
            campaign_id=job.campaign_id, page=job.page, members=_assign_to_ab_test(job, members)
        )
        unit.append([page], envelope)
    if len(members) == page_size:
        await unit.schedule_in(str(job.campaign_id), NOW, job, envelope)
    else:
        unit.append([AudienceResolved(campaign_id=job.campaign_id, pages=job.page, total=job.total)], envelope)
    crash.point("mid_fanout")


def _assign_to_ab_test(job: ResolveAudience, members: Sequence[AudienceMember]) -> list[AudienceMember]:
    """Return the members, those in the campaign's A/B test with their variant."""
    if not job.variants:
        return list(members)
    return [
        replace(member, variant=variant_of(job.campaign_id, member.contact_id, job.variants, job.share_percent))
        for member in members
    ]


async def _load_started(conn: Connection, envelopes: Sequence[Envelope[CampaignSendingStarted]]) -> set[UUID]:
    """Return the campaigns whose audience has already been started."""
    streams = {_stream(envelope.message.campaign_id): envelope.message.campaign_id for envelope in envelopes}
    return {streams[row["stream"]] for row in await conn.fetch(STARTED, list(streams))}


def _stream(campaign_id: UUID) -> str:
    return f"audience-{campaign_id}"
