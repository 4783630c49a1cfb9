"""Campaigns that are paused, resumed or cancelled while their mails are queued."""

from uuid import UUID

import pytest

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.process.testing import announce, eventually
from libs.schemas.base import Event
from libs.schemas.campaigns.campaigns import CampaignCancelled, CampaignPaused, CampaignResumed
from services.delivery.scheduling import campaign_holds
from tests.service.delivery.driver import DeliveryDriver
from tests.service.delivery.sandbox import Sandbox

PARKED = """
select count(*) from email
where project = $1 and state = 'queued' and due_at > clock_timestamp() + interval '1 year'
"""


async def tell_of(driver: DeliveryDriver, event: Event, version: int) -> None:
    await driver.settled(await announce(driver.client, driver.project, event, version=version))


async def parked(driver: DeliveryDriver, count: int) -> None:
    async def are_parked() -> bool:
        return bool(await driver.runtime.pool.fetchval(PARKED, driver.project) == count)

    await eventually(are_parked)


async def queued_campaign(driver: DeliveryDriver, people: list[UUID]) -> UUID:
    """Queue the mails of a campaign, which cannot be sent before its content arrives."""
    campaign_id = uuid7()
    await driver.settled(await driver.page(campaign_id, people))
    return campaign_id


async def test_a_cancelled_campaign_sends_no_more_and_cancels_every_mail(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    campaign_id = await queued_campaign(driver, await driver.contacts(5))
    await tell_of(driver, CampaignCancelled(campaign_id=campaign_id), 3)
    await driver.begin_sending(campaign_id)
    await driver.reach_states({"cancelled": 5})
    assert sandbox.of_project(driver.project) == []
    assert (await driver.email_event_types()).count("email.cancelled") == 5


async def test_a_page_that_arrives_after_the_cancellation_is_cancelled_too(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    campaign_id, people = uuid7(), await driver.contacts(3)
    await tell_of(driver, CampaignCancelled(campaign_id=campaign_id), 3)
    await driver.begin_sending(campaign_id)
    await driver.page(campaign_id, people)
    await driver.reach_states({"cancelled": 3})
    assert sandbox.of_project(driver.project) == []


async def test_a_paused_campaign_continues_when_it_is_resumed(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    campaign_id = await queued_campaign(driver, await driver.contacts(5))
    await tell_of(driver, CampaignPaused(campaign_id=campaign_id), 3)
    await driver.begin_sending(campaign_id)
    await parked(driver, 5)
    assert sandbox.of_project(driver.project) == []
    await tell_of(driver, CampaignResumed(campaign_id=campaign_id), 4)
    await driver.reach_states({"sent": 5})
    assert len(sandbox.of_project(driver.project)) == 5


async def test_a_sweep_under_way_does_not_shorten_the_next_one(
    driver: DeliveryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumption between two pages of the pause's sweep still begins with the first mail."""
    monkeypatch.setattr(campaign_holds.sweep, "page_size", 2)
    campaign_id = await queued_campaign(driver, await driver.contacts(5))
    async with driver.runtime.unit() as unit:
        resumed: Envelope[campaign_holds.HoldEvent] = Envelope(
            id=uuid7(), project=driver.project, message=CampaignResumed(campaign_id=campaign_id), at=unit.now
        )
        await campaign_holds.begin(unit, [resumed])
        of_the_pause = campaign_holds.SweepCampaign(campaign_id=campaign_id, cause=uuid7())
        await campaign_holds.sweep(
            unit, [Envelope(id=uuid7(), project=driver.project, message=of_the_pause, at=unit.now)]
        )
        keys = await unit.conn.fetch("select key from timers where starts_with(key, $1)", f"sweep-{campaign_id}")
    assert {row["key"].removeprefix(f"sweep-{campaign_id}-") for row in keys} == {
        str(resumed.id),
        str(of_the_pause.cause),
    }
    await driver.begin_sending(campaign_id)
    await driver.reach_states({"sent": 5})


async def test_the_latest_hold_counts_in_whatever_order_they_arrive(driver: DeliveryDriver) -> None:
    campaign_id = await queued_campaign(driver, await driver.contacts(2))
    await tell_of(driver, CampaignResumed(campaign_id=campaign_id), 5)
    await tell_of(driver, CampaignPaused(campaign_id=campaign_id), 4)
    await driver.begin_sending(campaign_id)
    await driver.reach_states({"sent": 2})


async def test_sent_mails_stay_sent_when_the_campaign_is_cancelled(driver: DeliveryDriver) -> None:
    first, *others = await driver.contacts(4)
    campaign_id = await driver.campaign([first])
    await driver.reach_states({"sent": 1})
    await tell_of(driver, CampaignCancelled(campaign_id=campaign_id), 3)
    await driver.page(campaign_id, others, 2)
    await driver.reach_states({"sent": 1, "cancelled": 3})
