"""What campaigns does when others report: a run whose every mail has its outcome is over."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from libs.runtime.envelope import Envelope
from libs.runtime.store import Unit
from libs.schemas.campaigns import CampaignSent
from services.campaigns.read_models import campaign_run


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
