"""Resolving the audience of a campaign in pages."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from libs.kernel.ab_assignment import variant_of
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Envelope, Origin
from libs.runtime.process.testing import announce, eventually
from libs.schemas.base import Data
from libs.schemas.campaigns.ab_tests import FrozenTest, FrozenVariant
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import CampaignSendingStarted
from libs.schemas.contacts.contacts import ContactCreated
from libs.schemas.delivery.content import Content, Kind
from services.contacts.audiences import resolving
from services.contacts.audiences.resolving import ResolveAudience
from tests.service.contacts.caller import Caller, all_of, where

EVERYONE = Audience(audience_type="ALL")


def started(to: Audience, kind: Kind = "MARKETING") -> CampaignSendingStarted:
    content = Content(subject="Hi", body="Hi", from_email="us@example.com", kind=kind)
    return CampaignSendingStarted(campaign_id=uuid7(), content=content, audience=to)


async def add_contacts(caller: Caller, count: int) -> None:
    """Add contacts as an import would: every tenth is unsubscribed, every fifth has the plan pro."""
    async with caller.runtime.unit() as unit:
        facts = [
            ContactCreated(
                contact_id=uuid4(),
                email=f"user{number}@example.com",
                subscribed=number % 10 != 0,
                data={"plan": "pro" if number % 5 == 1 else "free"},
            )
            for number in range(count)
        ]
        unit.append(facts, Origin(project=caller.project))


async def resolved(caller: Caller, campaign: CampaignSendingStarted) -> Data:
    """Start resolving the campaign's audience and wait for the end."""
    await announce(caller.client, caller.project, campaign)

    async def end() -> list[Data]:
        ends = await caller.events_of("audience.resolved")
        return [fact for fact in ends if fact["campaignId"] == str(campaign.campaign_id)]

    (fact,) = await eventually(end)
    return fact


async def pages_of(caller: Caller, campaign: CampaignSendingStarted) -> list[Data]:
    pages = await caller.events_of("audience.page_resolved")
    return [fact for fact in pages if fact["campaignId"] == str(campaign.campaign_id)]


async def test_every_subscribed_contact_comes_once_in_full_pages_ordered_by_id(caller: Caller) -> None:
    await add_contacts(caller, 2600)
    campaign = started(EVERYONE)
    end = await resolved(caller, campaign)
    pages = await pages_of(caller, campaign)
    members = [member["contactId"] for page in pages for member in page["members"]]
    assert [(page["page"], len(page["members"])) for page in pages] == [(1, 1000), (2, 1000), (3, 340)]
    assert members == sorted(set(members)) and (end["pages"], end["total"]) == (3, 2340)


async def test_a_full_last_page_is_not_followed_by_an_empty_one(caller: Caller) -> None:
    await add_contacts(caller, 1000)
    campaign = started(EVERYONE, "TRANSACTIONAL")
    end = await resolved(caller, campaign)
    assert (end["pages"], end["total"]) == (1, 1000) and len(await pages_of(caller, campaign)) == 1


async def test_transactional_content_also_reaches_unsubscribed_contacts(caller: Caller) -> None:
    await add_contacts(caller, 50)
    totals = [(await resolved(caller, started(EVERYONE, kind)))["total"] for kind in ("MARKETING", "TRANSACTIONAL")]
    assert totals == [45, 50]


async def test_a_condition_or_a_segment_selects_the_contacts(caller: Caller) -> None:
    await add_contacts(caller, 50)
    pro = all_of(where("data.plan", "equals", "pro"))
    segment = await caller.segment(pro)
    by_condition = await resolved(caller, started(Audience(audience_type="FILTERED", audience_condition=pro)))
    by_segment = await resolved(caller, started(Audience(audience_type="SEGMENT", segment_id=segment.id)))
    assert by_condition["total"] == by_segment["total"] == 10


async def test_a_share_of_the_audience_gets_the_variants_of_an_ab_test(caller: Caller) -> None:
    await add_contacts(caller, 1500)
    test = FrozenTest(variants=[FrozenVariant(key=key) for key in ("A", "B", "C")], share_percent=30)
    campaign = replace(started(EVERYONE), ab_test=test)
    await resolved(caller, campaign)
    members = [member for page in await pages_of(caller, campaign) for member in page["members"]]
    assert len(members) == 1350
    for member in members:
        variant = variant_of(campaign.campaign_id, UUID(member["contactId"]), ("A", "B", "C"), 30)
        assert member.get("variant") == variant
    assert {member.get("variant") for member in members} == {"A", "B", "C", None}


@pytest.mark.parametrize(
    "audience",
    [
        Audience(audience_type="SEGMENT", segment_id=UUID(int=1)),
        Audience(audience_type="SEGMENT"),
        Audience(audience_type="FILTERED", audience_condition=all_of(where("nonsense", "equals", 1))),
    ],
)
async def test_an_unresolvable_audience_ends_at_once_and_empty(caller: Caller, audience: Audience) -> None:
    await add_contacts(caller, 5)
    end = await resolved(caller, started(audience))
    assert (end["pages"], end["total"]) == (0, 0)


async def test_an_empty_audience_has_no_pages(caller: Caller) -> None:
    end = await resolved(caller, started(EVERYONE))
    assert (end["pages"], end["total"]) == (0, 0)


async def test_a_repeated_start_of_a_campaign_does_not_resolve_its_audience_again(caller: Caller) -> None:
    await add_contacts(caller, 1500)
    campaign = started(EVERYONE)
    await asyncio.gather(*(announce(caller.client, caller.project, campaign, version=n) for n in (3, 4, 5)))
    await resolved(caller, campaign)
    await resolved(caller, started(EVERYONE))  # handled after the repeats
    assert [page["page"] for page in await pages_of(caller, campaign)] == [1, 2]


class Killed(Exception):
    """Raised where the process would end."""


async def test_after_a_crash_in_any_page_resolving_continues_there_and_repeats_no_page(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page takes three attempts: the first dies before its events are written, the second before its commit, and
    the third commits. The failed ones leave nothing behind, so in the end the pages are the same as without crashes."""
    await add_contacts(caller, 2600)
    deaths = 0
    whole = resolving._resolve_page

    async def dying(unit: Any, envelope: Envelope[ResolveAudience], page_size: int) -> None:
        nonlocal deaths
        deaths += 1
        if deaths % 3 == 1:
            raise Killed
        await whole(unit, envelope, page_size)
        if deaths % 3 == 2:
            await unit.flush()
            raise Killed

    monkeypatch.setattr(resolving, "_resolve_page", dying)
    campaign = started(EVERYONE)
    end = await resolved(caller, campaign)
    pages = await pages_of(caller, campaign)
    members = [member["contactId"] for page in pages for member in page["members"]]
    assert deaths >= 9
    assert [page["page"] for page in pages] == [1, 2, 3] and len(set(members)) == len(members) == end["total"] == 2340


async def test_a_timer_that_fires_again_after_its_commit_does_nothing(caller: Caller) -> None:
    """A crash between the commit of a page and the deletion of its timer makes the timer fire again."""
    await add_contacts(caller, 30)
    campaign = started(EVERYONE)
    job = ResolveAudience(campaign_id=campaign.campaign_id, condition=None, subscribed_only=True)
    firing = Envelope(id=uuid7(), project=caller.project, message=job, at=now())
    commit = caller.runtime.consumers["contacts-timers"].commit
    for _ in range(3):
        await commit.submit(firing)
    assert len(await pages_of(caller, campaign)) == 1 == len(await caller.events_of("audience.resolved"))
