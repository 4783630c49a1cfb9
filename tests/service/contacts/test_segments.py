"""Creating segments, and counting and listing their members."""

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.schemas.contacts.contacts import (
    AudienceSize,
    CheckCondition,
    Condition,
    Group,
    Match,
    MatchContact,
)
from libs.schemas.contacts.segments import (
    GetSegment,
    ListSegmentContacts,
    ListSegments,
    SegmentContacts,
    SegmentView,
)
from tests.service.contacts.caller import Caller, all_of, where

PRO = all_of(where("data.plan", "equals", "pro"))


async def test_a_segment_counts_and_lists_its_current_members(caller: Caller) -> None:
    await caller.save("ann@example.com", data={"plan": "pro"})
    await caller.save("bea@example.com", data={"plan": "free"})
    created = await caller.segment(PRO, "Pro users")
    assert (created.slug, created.member_count, created.type_) == ("pro-users", 1, "DYNAMIC")
    await caller.save("bea@example.com", data={"plan": "pro"})
    await caller.save("cem@example.com", data={"plan": "pro"}, subscribed=False)
    now = await caller.runtime.ask(caller.project, GetSegment(segment_id=created.id), SegmentView)
    assert now.member_count == 3 and now.condition == PRO
    query = ListSegmentContacts(segment_id=created.id, page=2, page_size=2)
    page = await caller.runtime.ask(caller.project, query, SegmentContacts)
    assert [each.email for each in page.data] == ["ann@example.com"]
    assert (page.total, page.page, page.page_size, page.total_pages) == (3, 2, 2, 2)


async def test_segments_are_listed_newest_first_with_their_counts(caller: Caller) -> None:
    await caller.save(data={"plan": "pro"})
    await caller.segment(PRO, "One")
    await caller.segment(all_of(where("event.signup", "triggered")), "Two")
    listed = await caller.runtime.ask(caller.project, ListSegments(), list[SegmentView])
    assert [(each.name, each.member_count) for each in listed] == [("Two", 0), ("One", 1)]


async def test_an_invalid_condition_is_rejected_with_its_path(caller: Caller) -> None:
    bad = all_of(where("data.plan", "equals", "pro"), where("plan", "equals", "pro"))
    with pytest.raises(Rejected) as no:
        await caller.segment(bad)
    assert no.value.errors[0].field == "condition.groups.0.filters.1.field"
    with pytest.raises(Rejected, match="Unsupported filter field"):
        await caller.runtime.ask(caller.project, CheckCondition(condition=bad), AudienceSize)
    assert await caller.event_types() == []


async def test_an_unknown_segment_is_not_found(caller: Caller) -> None:
    for query in (GetSegment(segment_id=uuid7()), ListSegmentContacts(segment_id=uuid7())):
        with pytest.raises(Rejected) as no:
            await caller.runtime.ask(caller.project, query, SegmentView)
        assert no.value.code == "SEGMENT_NOT_FOUND"


async def test_an_audience_is_counted_with_or_without_unsubscribed_contacts(caller: Caller) -> None:
    await caller.save("ann@example.com", data={"plan": "pro"})
    await caller.save("bea@example.com", data={"plan": "pro"}, subscribed=False)
    counts = [
        (await caller.runtime.ask(caller.project, query, AudienceSize)).count
        for query in (CheckCondition(condition=PRO), CheckCondition(condition=PRO, subscribed_only=False))
    ]
    assert counts == [1, 2]


async def test_a_contact_is_matched_by_its_data_and_its_events(caller: Caller) -> None:
    ann = await caller.save(data={"plan": "pro"})
    await caller.track("signup")

    async def matches(condition: Condition) -> bool:
        query = MatchContact(contact_id=ann.id, condition=condition)
        return (await caller.runtime.ask(caller.project, query, Match)).matches

    signed_up = where("event.signup", "triggeredWithin", 1, "hours")
    assert await matches(PRO) and await matches(all_of(signed_up, where("subscribed", "equals", True)))
    assert not await matches(all_of(where("event.signup", "notTriggered")))
    assert not await matches(all_of(where("data.missing", "notEquals", 1)))
    either = Condition(logic="OR", groups=[Group(filters=[where("email", "contains", "zzz")]), Group(conditions=PRO)])
    assert await matches(either)


async def test_matching_an_unknown_contact_is_rejected(caller: Caller) -> None:
    query = MatchContact(contact_id=uuid7(), condition=PRO)
    with pytest.raises(Rejected, match="Contact not found"):
        await caller.runtime.ask(caller.project, query, Match)
