"""Resolving a campaign's audience: pages of contact ids in their order, each a fact, until there are no more.

Every page is one firing of a timer. The page, the timer of the next one and the note that this firing is done commit
together, so a crash at any moment continues with the page that was not committed. Nothing can come twice: the stream
of an audience begins once, and page n is its version n + 1.
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
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import CampaignSendingStarted
from libs.schemas.contacts.contacts import (
    AudienceMember,
    AudiencePageResolved,
    AudienceResolved,
    AudienceStarted,
    Condition,
    Filter,
    Group,
)
from services.contacts.segments import members
from services.contacts.segments.condition import compiled
from services.contacts.segments.definitions import referenced
from services.contacts.segments.read_models import segment as segments

log = structlog.get_logger()

AT_ONCE = timedelta(0)
BEFORE_ALL = UUID(int=0)

BEGUN = "select stream from events where stream = any($1::text[]) and version = 1"


class ResolveAudience(Message, tag="resolve-audience", frozen=True, kw_only=True):
    """Resolve the page after `cursor`. `condition` is the audience's, as it was when the campaign started; none is
    everyone. `lists` are static segments whose members alone are meant. `variants` are the keys of those that
    `share_percent` of the audience try. `page` and `total` count what is resolved already."""

    campaign_id: UUID
    condition: Condition | None
    subscribed_only: bool
    lists: tuple[UUID, ...] = ()
    variants: tuple[str, ...] = ()
    share_percent: int = 0
    cursor: UUID = BEFORE_ALL
    page: int = 0
    total: int = 0


class Unresolvable(Exception):
    """The audience names nobody that we know of."""


async def start(unit: UnitOfWork, envelopes: Sequence[Envelope[CampaignSendingStarted]]) -> None:
    """Begin once for each campaign. Transactional content also reaches those who are not subscribed."""
    begun = await _begun(unit.conn, envelopes)
    for envelope in envelopes:
        campaign = envelope.message.campaign_id
        if campaign not in begun:
            begun.add(campaign)
            unit.append([AudienceStarted(campaign_id=campaign)], envelope)
            await _start(unit, envelope)


def resolve(page_size: int) -> BatchHandler:
    """Resolves one page of each audience that is due, and has the next one follow at once."""

    async def run(unit: UnitOfWork, envelopes: Sequence[Envelope[ResolveAudience]]) -> None:
        for envelope in envelopes:
            await _resolve_page(unit, envelope, page_size)

    return run


async def _start(unit: UnitOfWork, envelope: Envelope[CampaignSendingStarted]) -> None:
    campaign = envelope.message
    try:
        condition, lists = await meant(unit.conn, envelope.project, campaign.audience)
    except (Unresolvable, Rejected) as error:
        # The campaign goes to nobody and ends, instead of staying in SENDING for ever.
        log.error("audience.unresolvable", campaign=str(campaign.campaign_id), error=str(error))
        unit.append([AudienceResolved(campaign_id=campaign.campaign_id, pages=0, total=0)], envelope)
        return
    first = ResolveAudience(
        campaign_id=campaign.campaign_id,
        condition=condition,
        lists=lists,
        subscribed_only=campaign.content.kind != "TRANSACTIONAL",
        variants=tuple(campaign.ab_test.keys) if campaign.ab_test else (),
        share_percent=campaign.ab_test.share_percent if campaign.ab_test else 0,
    )
    await unit.schedule_in(str(campaign.campaign_id), AT_ONCE, first, envelope)


async def _resolve_page(unit: UnitOfWork, envelope: Envelope[ResolveAudience], page_size: int) -> None:
    job = envelope.message
    unit.expect(_stream(job.campaign_id), job.page + 1)
    found = await members.audience(
        unit.conn,
        envelope.project,
        job.condition,
        lists=job.lists,
        after=job.cursor,
        subscribed_only=job.subscribed_only,
        limit=page_size,
    )
    if found:
        job = replace(job, cursor=found[-1].contact_id, page=job.page + 1, total=job.total + len(found))
        page = AudiencePageResolved(campaign_id=job.campaign_id, page=job.page, members=_split(job, found))
        unit.append([page], envelope)
    if len(found) == page_size:
        await unit.schedule_in(str(job.campaign_id), AT_ONCE, job, envelope)
    else:
        unit.append([AudienceResolved(campaign_id=job.campaign_id, pages=job.page, total=job.total)], envelope)
    crash.point("mid_fanout")


def _split(job: ResolveAudience, found: Sequence[AudienceMember]) -> list[AudienceMember]:
    """Those of them who are in the campaign's A/B test, with their variants; and the others."""
    if not job.variants:
        return list(found)
    return [
        replace(member, variant=variant_of(job.campaign_id, member.contact_id, job.variants, job.share_percent))
        for member in found
    ]


async def meant(conn: Connection, project: UUID, audience: Audience) -> tuple[Condition | None, tuple[UUID, ...]]:
    """Who is meant, checked: the condition that must hold (none is everyone) and the lists that they must be on."""
    match audience.audience_type:
        case "ALL":
            return None, ()
        case "FILTERED" if audience.audience_condition:
            compiled(audience.audience_condition, await referenced(conn, project, audience.audience_condition))
            return audience.audience_condition, ()
        case "SEGMENT" if wanted := {each for each in (audience.segment_id, audience.list_id) if each}:
            rows = await segments.load(conn, project, wanted)
            if rows.keys() == wanted:
                lists = tuple(row.id for row in rows.values() if row.condition is None)
                return _all_of([row for row in rows.values() if row.condition]), lists
    raise Unresolvable(f"{audience.audience_type} audience, {audience.segment_id}, {audience.list_id}")


def _all_of(dynamic: Sequence[segments.Row]) -> Condition | None:
    """The one segment's condition, as it is now; of several that a contact is in each."""
    if len(dynamic) == 1:
        return dynamic[0].condition
    filters = [Filter(field=f"segment.{row.id}", operator="memberOfSegment") for row in dynamic]
    return Condition(logic="AND", groups=[Group(filters=filters)]) if filters else None


async def _begun(conn: Connection, envelopes: Sequence[Envelope[CampaignSendingStarted]]) -> set[UUID]:
    """The campaigns whose audience has been started already."""
    streams = {_stream(envelope.message.campaign_id): envelope.message.campaign_id for envelope in envelopes}
    return {streams[row["stream"]] for row in await conn.fetch(BEGUN, list(streams))}


def _stream(campaign_id: UUID) -> str:
    return f"audience-{campaign_id}"
