"""Campaigns that are paused, resumed and cancelled while their mails are queued."""

from uuid import UUID

import pytest

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.process.testing import announce, eventually
from libs.schemas.base import Event
from libs.schemas.campaigns.campaigns import CampaignCancelled, CampaignPaused, CampaignResumed
from services.delivery.rendering.content_cache import Shelf
from services.delivery.scheduling import campaign_holds
from tests.service.delivery.driver import Office
from tests.service.delivery.sandbox import Sandbox

PARKED = """
select count(*) from email
where project = $1 and state = 'queued' and due_at > clock_timestamp() + interval '1 year'
"""


async def tell_of(office: Office, event: Event, version: int) -> None:
    await office.settled(await announce(office.client, office.project, event, version=version))


async def parked(office: Office, count: int) -> None:
    async def are_parked() -> bool:
        return bool(await office.runtime.pool.fetchval(PARKED, office.project) == count)

    await eventually(are_parked)


async def queued_campaign(office: Office, people: list[UUID]) -> UUID:
    """A campaign whose mails are queued, but cannot be sent before its content comes."""
    campaign_id = uuid7()
    await office.settled(await office.page(campaign_id, people))
    return campaign_id


async def test_a_cancelled_campaign_sends_nothing_more_and_says_so_of_every_mail(
    office: Office, sandbox: Sandbox
) -> None:
    campaign_id = await queued_campaign(office, await office.contacts(5))
    await tell_of(office, CampaignCancelled(campaign_id=campaign_id), 3)
    await office.begin_sending(campaign_id)
    await office.become({"cancelled": 5})
    assert sandbox.of_project(office.project) == []
    assert (await office.told()).count("email.cancelled") == 5


async def test_a_page_that_comes_after_the_cancelling_is_cancelled_too(office: Office, sandbox: Sandbox) -> None:
    campaign_id, people = uuid7(), await office.contacts(3)
    await tell_of(office, CampaignCancelled(campaign_id=campaign_id), 3)
    await office.begin_sending(campaign_id)
    await office.page(campaign_id, people)
    await office.become({"cancelled": 3})
    assert sandbox.of_project(office.project) == []


async def test_a_paused_campaign_waits_and_goes_on_when_it_is_resumed(office: Office, sandbox: Sandbox) -> None:
    campaign_id = await queued_campaign(office, await office.contacts(5))
    await tell_of(office, CampaignPaused(campaign_id=campaign_id), 3)
    await office.begin_sending(campaign_id)
    await parked(office, 5)
    assert sandbox.of_project(office.project) == []
    await tell_of(office, CampaignResumed(campaign_id=campaign_id), 4)
    await office.become({"sent": 5})
    assert len(sandbox.of_project(office.project)) == 5


async def test_a_sweep_that_is_under_way_takes_nothing_from_the_next(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumption that comes between two pages of the pause's sweep begins with the first mail all the same."""
    monkeypatch.setattr(campaign_holds, "PAGE_SIZE", 2)
    campaign_id = await queued_campaign(office, await office.contacts(5))
    async with office.runtime.unit() as unit:
        resumed: Envelope[campaign_holds.Held] = Envelope(
            id=uuid7(), project=office.project, message=CampaignResumed(campaign_id=campaign_id), at=unit.now
        )
        await campaign_holds.begin(unit, [resumed])
        of_the_pause = campaign_holds.SweepCampaign(campaign_id=campaign_id, cause=uuid7())
        await campaign_holds.sweep(Shelf())(
            unit, [Envelope(id=uuid7(), project=office.project, message=of_the_pause, at=unit.now)]
        )
        keys = await unit.conn.fetch("select key from timers where starts_with(key, $1)", f"sweep-{campaign_id}")
    assert {row["key"].removeprefix(f"sweep-{campaign_id}-") for row in keys} == {
        str(resumed.id),
        str(of_the_pause.cause),
    }
    await office.begin_sending(campaign_id)
    await office.become({"sent": 5})


async def test_the_latest_word_counts_in_whatever_order_they_come(office: Office) -> None:
    campaign_id = await queued_campaign(office, await office.contacts(2))
    await tell_of(office, CampaignResumed(campaign_id=campaign_id), 5)
    await tell_of(office, CampaignPaused(campaign_id=campaign_id), 4)
    await office.begin_sending(campaign_id)
    await office.become({"sent": 2})


async def test_what_ses_has_stays_sent_when_the_campaign_is_cancelled(office: Office) -> None:
    first, *others = await office.contacts(4)
    campaign_id = await office.campaign([first])
    await office.become({"sent": 1})
    await tell_of(office, CampaignCancelled(campaign_id=campaign_id), 3)
    await office.page(campaign_id, others, 2)
    await office.become({"sent": 1, "cancelled": 3})
