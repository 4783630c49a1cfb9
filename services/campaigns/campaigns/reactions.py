"""What campaigns does when others report: a run begins with its audience, and is over with its last outcome; an A/B
test waits for its winner from the last outcome of its mails on."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.campaigns.campaigns import CampaignResolving, CampaignSent
from services.campaigns.ab_tests import decision
from services.campaigns.ab_tests.read_models import campaign_experiment
from services.campaigns.ab_tests.read_models.campaign_experiment import Over
from services.campaigns.campaigns.campaign import Campaign
from services.campaigns.campaigns.read_models import campaign
from services.campaigns.campaigns.timers import WinnerDue
from services.campaigns.runs.read_models import campaign_run


async def begin_runs(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """A campaign that was queued is being sent as soon as contacts begin to say to whom."""
    causes = _last_by_campaign(envelopes)
    for key, version in (await campaign.queued(unit.conn, causes.keys())).items():
        unit.expect(f"campaign-{key[1]}", version)
        unit.append([CampaignResolving(campaign_id=key[1])], causes[key])


async def settle_runs(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Go on where these outcomes were the last ones, of a test or of a campaign."""
    await end_tests(unit, envelopes)
    await finish_runs(unit, envelopes)


async def end_tests(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Say `campaign.test_sent`, and set the time to decide; or decide at once where a variant has nobody.

    As below, counting has locked the run's row, so of two replicas the later one sees everything.
    """
    causes = _last_by_campaign(envelopes)
    over = await campaign_experiment.over(unit.conn, causes.keys()) if causes else []
    campaigns = await campaign.load(unit.conn, [(test.project, test.campaign_id) for test in over]) if over else {}
    for test in over:
        key = (test.project, test.campaign_id)
        state, version = campaigns[key]
        unit.expect(f"campaign-{test.campaign_id}", version)
        await _end_test(unit, test, state, causes[key])


async def _end_test(unit: UnitOfWork, test: Over, state: Campaign, cause: Envelope[Any]) -> None:
    assert state.draft.ab_test, "it is being tested"
    if test.too_few:
        counted = await campaign_experiment.counts_of(unit.conn, test.project, test.campaign_id)
        figures = campaign_experiment.figures(state.draft.ab_test.keys, counted)
        decided = decision.decided(test.campaign_id, state.draft, figures, "audience_too_small", unit.now)
        unit.append([decided], cause)
        return
    sent = decision.sent(test.campaign_id, state.draft.ab_test, unit.now)
    unit.append([sent], cause)
    due = WinnerDue(campaign_id=test.campaign_id, decide_at=sent.decide_at)
    await unit.schedule(str(test.campaign_id), sent.decide_at, due, cause)


async def finish_runs(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
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
