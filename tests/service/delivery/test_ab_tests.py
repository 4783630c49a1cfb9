"""A/B tests: recipients in the test get its variants, the rest wait for the winner, and everybody gets one mail."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from libs.runtime.clock import now, uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.operations.rebuild import rebuild
from libs.runtime.process.testing import announce, eventually
from libs.schemas.base import Event
from libs.schemas.campaigns.ab_tests import FrozenTest, FrozenVariant
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import (
    CampaignCancelled,
    CampaignPaused,
    CampaignResumed,
    CampaignSendingStarted,
    CampaignWinnerDecided,
)
from libs.schemas.contacts.contacts import AudienceMember, AudiencePageResolved
from libs.schemas.delivery.content import Kind
from libs.schemas.delivery.sending import GetSendingState, SendingState
from services.delivery.rendering.read_models import content as content_rows
from services.delivery.scheduling import ab_test
from services.delivery.scheduling.read_models import campaign_experiment
from tests.conftest import Stack
from tests.service.delivery.driver import DeliveryDriver, address, content
from tests.service.delivery.sandbox import Sandbox

SHARED = content(subject="Plain")
TEST = FrozenTest(
    variants=[FrozenVariant(key="A"), FrozenVariant(key="B", subject="Fresh", body="<p>Best, {{ name }}</p>")],
    share_percent=50,
)
WINNER = replace(SHARED, subject="Fresh", body="<p>Best, {{ name }}</p>")
PARKED = """
select count(*) from email
where project = $1 and state = 'queued' and due_at > clock_timestamp() + interval '1 year'
"""


def started(campaign_id: UUID, kind: Kind = "MARKETING") -> CampaignSendingStarted:
    said = replace(SHARED, kind=kind)
    return CampaignSendingStarted(
        campaign_id=campaign_id, content=said, audience=Audience(audience_type="ALL"), ab_test=TEST
    )


def decided(campaign_id: UUID) -> CampaignWinnerDecided:
    return CampaignWinnerDecided(
        campaign_id=campaign_id,
        variant="B",
        content=WINNER,
        decided_by="deadline",
        decided_at=now(),
        winner_by="opens",
        figures=[],
    )


def split_page(campaign_id: UUID, people: Sequence[UUID], number: int = 1) -> AudiencePageResolved:
    """Return a page in which two of every four contacts get A and B, and the others are outside the test."""
    variants = ("A", "B", None, None)
    members = [
        AudienceMember(contact_id=person, email=address(person), variant=variants[place % 4])
        for place, person in enumerate(people)
    ]
    return AudiencePageResolved(campaign_id=campaign_id, page=number, members=members)


async def tell_of(driver: DeliveryDriver, event: Event, version: int = 1) -> None:
    await driver.settled(await announce(driver.client, driver.project, event, version=version))


async def begun(driver: DeliveryDriver, people: Sequence[UUID]) -> UUID:
    """Start a campaign with a test, and queue its page."""
    await driver.verify_domain()
    campaign_id = uuid7()
    await tell_of(driver, started(campaign_id))
    await tell_of(driver, split_page(campaign_id, people))
    return campaign_id


async def parked(driver: DeliveryDriver, count: int) -> None:
    async def are_parked() -> bool:
        return bool(await driver.runtime.pool.fetchval(PARKED, driver.project) == count)

    await eventually(are_parked)


async def waits_for(driver: DeliveryDriver, campaign_id: UUID) -> str | None:
    state = await ask(driver.client, driver.project, GetSendingState(campaign_id=campaign_id), SendingState)
    return state.waiting_for


def got(driver: DeliveryDriver, sandbox: Sandbox) -> dict[str, list[str]]:
    """Return the subjects that each address got."""
    mails: dict[str, list[str]] = {}
    for mail in sandbox.of_project(driver.project):
        (whole,) = sandbox.accepted(emailId=mail["emailId"])
        mails.setdefault(mail["to"][0], []).append(whole["subject"])
    return mails


def subjects(people: Sequence[UUID], rest: str | None) -> dict[str, list[str]]:
    """Return the subject that each contact should have got."""
    given = ("Plain", "Fresh", rest, rest)
    return {address(person): [said] for place, person in enumerate(people) if (said := given[place % 4])}


async def test_recipients_in_the_test_go_first_and_the_rest_get_the_winner(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    people = await driver.contacts(12)
    campaign_id = await begun(driver, people)
    await driver.reach_states({"sent": 6, "queued": 6})
    assert got(driver, sandbox) == subjects(people, None)
    assert await waits_for(driver, campaign_id) == "AB_WINNER"
    await parked(driver, 6)
    await tell_of(driver, decided(campaign_id), 5)
    await driver.reach_states({"sent": 12})
    assert got(driver, sandbox) == subjects(people, "Fresh")
    (mail,) = sandbox.accepted(to=address(people[2]))
    assert "Best, Ann" in mail["html"]
    assert (await driver.email_event_types()).count("email.queued") == 12


async def test_mails_queued_after_the_decision_do_not_wait(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    people = await driver.contacts(8)
    campaign_id = await begun(driver, people[:4])
    await tell_of(driver, decided(campaign_id), 5)
    await tell_of(driver, split_page(campaign_id, people[4:], 2), 2)
    await driver.reach_states({"sent": 8})
    assert got(driver, sandbox) == subjects(people, "Fresh")


async def test_a_page_may_arrive_before_the_start_of_its_campaign(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    people = await driver.contacts(4)
    await driver.verify_domain()
    campaign_id = uuid7()
    await tell_of(driver, split_page(campaign_id, people))
    await parked(driver, 2)
    await tell_of(driver, started(campaign_id))
    await driver.reach_states({"sent": 2, "queued": 2})
    await tell_of(driver, decided(campaign_id), 5)
    await driver.reach_states({"sent": 4})
    assert got(driver, sandbox) == subjects(people, "Fresh")


async def test_the_decision_may_arrive_before_anything_else(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    people = await driver.contacts(4)
    await driver.verify_domain()
    campaign_id = uuid7()
    await tell_of(driver, decided(campaign_id), 5)
    await tell_of(driver, started(campaign_id))
    await tell_of(driver, split_page(campaign_id, people))
    await driver.reach_states({"sent": 4})
    assert got(driver, sandbox) == subjects(people, "Fresh")


async def test_pausing_and_resuming_before_the_decision_sends_nothing_to_the_rest(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    people = await driver.contacts(8)
    campaign_id = await begun(driver, people)
    await driver.reach_states({"sent": 4, "queued": 4})
    await tell_of(driver, CampaignPaused(campaign_id=campaign_id), 5)
    assert await waits_for(driver, campaign_id) == "PAUSED"
    await tell_of(driver, CampaignResumed(campaign_id=campaign_id), 6)
    await swept(driver, campaign_id)
    await parked(driver, 4)
    assert got(driver, sandbox) == subjects(people, None)
    await tell_of(driver, decided(campaign_id), 7)
    await driver.reach_states({"sent": 8})


async def test_recipients_released_during_a_pause_get_their_mail_after_it(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    people = await driver.contacts(8)
    campaign_id = await begun(driver, people)
    await driver.reach_states({"sent": 4, "queued": 4})
    await tell_of(driver, CampaignPaused(campaign_id=campaign_id), 5)
    await tell_of(driver, decided(campaign_id), 6)
    await parked(driver, 4)
    assert got(driver, sandbox) == subjects(people, None)
    await tell_of(driver, CampaignResumed(campaign_id=campaign_id), 7)
    await driver.reach_states({"sent": 8})
    assert got(driver, sandbox) == subjects(people, "Fresh")


async def test_cancelling_before_the_decision_cancels_the_rest(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    people = await driver.contacts(8)
    campaign_id = await begun(driver, people)
    await driver.reach_states({"sent": 4, "queued": 4})
    await tell_of(driver, CampaignCancelled(campaign_id=campaign_id), 5)
    await driver.reach_states({"sent": 4, "cancelled": 4})
    assert got(driver, sandbox) == subjects(people, None)


async def test_a_contact_who_unsubscribes_before_the_decision_does_not_get_the_winner(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    people = await driver.contacts(4)
    campaign_id = await begun(driver, people)
    await driver.reach_states({"sent": 2, "queued": 2})
    await driver.unsubscribe(people[2])
    await tell_of(driver, decided(campaign_id), 5)
    await driver.reach_states({"sent": 3, "suppressed": 1})
    assert address(people[2]) not in got(driver, sandbox)


async def test_a_transactional_test_reaches_unsubscribed_contacts_too(driver: DeliveryDriver) -> None:
    people = await driver.contacts(4, subscribed=False)
    await driver.verify_domain()
    campaign_id = uuid7()
    await tell_of(driver, started(campaign_id, "TRANSACTIONAL"))
    await tell_of(driver, split_page(campaign_id, people))
    await driver.reach_states({"sent": 2, "queued": 2})


@pytest.mark.serial
async def test_the_winner_keeps_to_the_campaigns_rate(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    """The rate of one mail per second holds for the test and for the rest."""
    people = await driver.contacts(8)
    await driver.verify_domain()
    campaign_id = uuid7()
    await tell_of(driver, replace(started(campaign_id), send_rate=3600))
    await tell_of(driver, split_page(campaign_id, people))
    await driver.reach_states({"sent": 4, "queued": 4})
    assert await waits_for(driver, campaign_id) == "AB_WINNER"
    await tell_of(driver, decided(campaign_id), 5)
    await driver.reach_states({"sent": 8})
    assert got(driver, sandbox) == subjects(people, "Fresh")
    sent = sorted(datetime.fromisoformat(mail["acceptedAt"]) for mail in sandbox.of_project(driver.project))
    assert sent[-1] - sent[-4] >= timedelta(seconds=2.5)


async def test_concurrent_pages_and_decision_leave_nobody_out(
    driver: DeliveryDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever is first: mails queued after the release must not wait for another one."""
    monkeypatch.setattr(ab_test.release_rest, "page_size", 3)
    people = await driver.contacts(40)
    await driver.verify_domain()
    campaigns = [uuid7() for _ in range(4)]
    for campaign_id in campaigns:
        await tell_of(driver, started(campaign_id))
    events: list[tuple[Any, int]] = []
    for campaign_id in campaigns:
        pages = [split_page(campaign_id, people[start : start + 8], start // 8 + 1) for start in range(0, 40, 8)]
        events += [*((page, page.page) for page in pages[:3]), (decided(campaign_id), 5)]
        events += [(page, page.page) for page in pages[3:]]
    await asyncio.gather(*(announce(driver.client, driver.project, event, version=v) for event, v in events))
    await driver.reach_states({"sent": 160}, within=60)
    counts = Counter(await driver.email_event_types())
    assert (counts["email.queued"], counts["email.sent"]) == (160, 160)


async def test_a_rebuild_restores_decided_and_undecided_tests(driver: DeliveryDriver, stack: Stack) -> None:
    waits, over = uuid7(), uuid7()
    await driver.verify_domain()
    for campaign_id in (waits, over):
        await tell_of(driver, started(campaign_id))
    await tell_of(driver, decided(over), 5)
    before = await contents_and_tests(driver)
    models = [content_rows, campaign_experiment]
    await rebuild(stack.admin_url, driver.client, driver.runtime.service, models)
    assert await contents_and_tests(driver) == before
    assert (len(before), before[f"test {waits}"], before[f"test {over}"]) == (7, "false", "true")


async def contents_and_tests(driver: DeliveryDriver) -> dict[str, str]:
    """Return the contents and the tests of the project."""
    rows = await driver.runtime.pool.fetch(
        "select 'content ' || id as name, content::text as value from content where project = $1 "
        "union all select 'test ' || campaign_id, decided::text from campaign_experiment where project = $1",
        driver.project,
    )
    return {row["name"]: row["value"] for row in rows}


async def swept(driver: DeliveryDriver, campaign_id: UUID) -> None:
    """Wait until the sweeps of the campaign's holds are done."""

    async def done() -> bool:
        return not await driver.runtime.pool.fetchval(
            "select count(*) from timers where starts_with(key, $1)", f"sweep-{campaign_id}"
        )

    await eventually(done)
