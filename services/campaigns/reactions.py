"""What campaigns does when others report: a run begins with its audience, and is over with its last outcome."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from libs.runtime.envelope import Envelope
from libs.runtime.store import Unit
from libs.schemas.campaigns import CampaignResolving, CampaignSent
from services.campaigns.read_models import campaign, campaign_run


async def begin_runs(unit: Unit, envelopes: Sequence[Envelope[Any]]) -> None:
    """A campaign that was queued is being sent as soon as contacts begin to say to whom."""
    causes = _last_by_campaign(envelopes)
    for key, version in (await campaign.queued(unit.conn, causes.keys())).items():
        unit.expect(f"campaign-{key[1]}", version)
        unit.append([CampaignResolving(campaign_id=key[1])], causes[key])


async def finish_runs(unit: Unit, envelopes: Sequence[Envelope[Any]]) -> None:
    """Say `campaign.sent` where these outcomes were the last ones.

    They are counted already. Counting locks the run's row, so of two replicas that bring in the last outcomes the
    later one sees all of them; the stream's version lets only one of them say it.
    """
    causes = _last_by_campaign(envelopes)
    for run in await campaign_run.finished(unit.conn, causes.keys()) if causes else ():
        unit.expect(f"campaign-{run.campaign_id}", run.version)
        sent = CampaignSent(campaign_id=run.campaign_id, recipients=run.total)
        unit.append([sent], causes[run.project, run.campaign_id])


def _last_by_campaign(envelopes: Sequence[Envelope[Any]]) -> dict[tuple[UUID, UUID], Envelope[Any]]:
    """The campaigns that the events are about, each with its last event."""
    return {
        (envelope.project, envelope.message.campaign_id): envelope
        for envelope in envelopes
        if envelope.message.campaign_id is not None
    }
