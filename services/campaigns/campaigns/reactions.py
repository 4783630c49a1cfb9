"""How campaigns react to other services.

A campaign starts sending when its audience is being resolved, and is sent with the last outcome of its mails. An A/B
test waits for its winner from the last outcome of its own mails on.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, UnitOfWork
from libs.schemas.base import Event
from libs.schemas.campaigns.campaigns import CampaignResolving, CampaignSent
from libs.schemas.contacts.contacts import AudiencePageResolved, AudienceResolved, AudienceStarted
from libs.schemas.delivery.emails import EmailCancelled, EmailFailed, EmailSent, EmailSuppressed
from services.campaigns.ab_tests import decision
from services.campaigns.ab_tests.read_models import campaign_experiment
from services.campaigns.ab_tests.read_models.campaign_experiment import EndedTest
from services.campaigns.ab_tests.timers import WinnerDue
from services.campaigns.campaigns.read_models import campaign
from services.campaigns.campaigns.state import Campaign
from services.campaigns.runs.read_models import campaign_run

OUTCOMES: tuple[type[Event], ...] = (
    AudiencePageResolved,
    AudienceResolved,
    EmailSent,
    EmailFailed,
    EmailSuppressed,
    EmailCancelled,
)


async def start_sending(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Append `campaign.resolving` to the queued campaigns whose audience is being resolved."""
    causes = _last_by_campaign(envelopes)
    for key, version in (await campaign.queued(unit.conn, causes.keys())).items():
        unit.expect(f"campaign-{key[1]}", version)
        unit.append([CampaignResolving(campaign_id=key[1])], causes[key])


async def settle_runs(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """End the A/B tests and the campaigns whose last outcome is among the events."""
    await end_tests(unit, envelopes)
    await finish_campaigns(unit, envelopes)


async def end_tests(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Append `campaign.test_sent` and set the timer of the winner, or decide at once if a variant has no recipients.

    As in `finish_campaigns`, counting has locked the run's row: of two replicas, the later one sees all outcomes.
    """
    causes = _last_by_campaign(envelopes)
    ended = await campaign_experiment.ended(unit.conn, causes.keys()) if causes else []
    campaigns = await campaign.load(unit.conn, [(test.project, test.campaign_id) for test in ended]) if ended else {}
    for test in ended:
        key = (test.project, test.campaign_id)
        state, version = campaigns[key]
        unit.expect(f"campaign-{test.campaign_id}", version)
        await _end_test(unit, test, state, causes[key])


async def _end_test(unit: UnitOfWork, test: EndedTest, state: Campaign, cause: Envelope[Any]) -> None:
    tested = state.draft.tested
    assert tested, "the campaign has an A/B test"
    if test.too_few:
        figures = await campaign_experiment.load_figures(unit.conn, test.project, test.campaign_id, tested.test.keys)
        winner = decision.decide_winner(test.campaign_id, tested, figures, "audience_too_small", unit.now)
        unit.append([winner], cause)
        return
    waiting = decision.wait_for_winner(test.campaign_id, tested.test, unit.now)
    unit.append([waiting], cause)
    due = WinnerDue(campaign_id=test.campaign_id, decide_at=waiting.decide_at)
    await unit.schedule(str(test.campaign_id), waiting.decide_at, due, cause)


async def finish_campaigns(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Append `campaign.sent` to the campaigns whose last outcome is among the events.

    The outcomes are already counted. Counting locks the run's row, so of two replicas that receive the last outcomes
    the later one sees all of them. The version of the stream lets only one of them append the event.
    """
    causes = _last_by_campaign(envelopes)
    for run in await campaign_run.finished(unit.conn, causes.keys()) if causes else ():
        unit.expect(f"campaign-{run.campaign_id}", run.version)
        sent = CampaignSent(campaign_id=run.campaign_id, recipients=run.total)
        unit.append([sent], causes[run.project, run.campaign_id])


def _last_by_campaign(envelopes: Sequence[Envelope[Any]]) -> dict[tuple[UUID, UUID], Envelope[Any]]:
    """Return the last event of each campaign, by (project, campaign)."""
    return {
        (envelope.project, envelope.message.campaign_id): envelope
        for envelope in envelopes
        if envelope.message.campaign_id is not None
    }


REACTIONS: Mapping[type[Event], BatchHandler] = {
    AudienceStarted: start_sending,
    **dict.fromkeys(OUTCOMES, settle_runs),
}
