"""Membership follows changes of contacts and the passing of time, and each entry and exit is tracked once."""

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import (
    announce,
    eventually,
    running,
    tell,
)
from libs.schemas.contacts.contacts import Condition, DeleteContact, DeletedContact
from libs.schemas.contacts.segments import (
    AddedMembers,
    AddSegmentMembers,
    ComputedSegment,
    ComputeSegment,
    CountSegment,
    CreateSegment,
    DeletedSegment,
    DeleteSegment,
    ExplainMembership,
    Explanation,
    FindSegmentReferences,
    ListSegmentContacts,
    MemberCount,
    NamedReference,
    RemovedMembers,
    RemoveSegmentMembers,
    SegmentContacts,
    SegmentView,
    UpdateSegment,
)
from libs.schemas.feedback.mails import EmailOpened
from services.contacts.app import build
from services.contacts.segments import matching, membership
from services.contacts.segments.read_models import segment as segment_rows
from tests.conftest import Stack
from tests.service.contacts.caller import Caller, all_of, where

PRO = all_of(where("data.plan", "equals", "pro"))


class Segments:
    """One project's calls about segments."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.project = caller.project

    async def create(self, condition: Condition | None, name: str = "Pros", track: bool = True) -> UUID:
        command = CreateSegment(
            segment_id=uuid7(),
            name=name,
            condition=condition,
            track_membership=track,
            kind="DYNAMIC" if condition else "STATIC",
        )
        created: SegmentView = await self.tell(command, SegmentView)
        return created.id

    async def tell(self, command: Any, answer: Any) -> Any:
        return await tell(self.caller.client, self.project, command, answer)

    async def update(self, segment: UUID, **changes: Any) -> SegmentView:
        view: SegmentView = await self.tell(UpdateSegment(segment_id=segment, **changes), SegmentView)
        return view

    async def add(self, segment: UUID, *emails: str, **options: Any) -> AddedMembers:
        ids = [uuid7() for _ in emails]
        command = AddSegmentMembers(segment_id=segment, emails=list(emails), contact_ids=ids, **options)
        added: AddedMembers = await self.tell(command, AddedMembers)
        return added

    async def remove(self, segment: UUID, *emails: str) -> int:
        command = RemoveSegmentMembers(segment_id=segment, emails=list(emails))
        removed: RemovedMembers = await self.tell(command, RemovedMembers)
        return removed.removed

    async def compute(self, segment: UUID) -> tuple[int, int, int]:
        done: ComputedSegment = await self.tell(ComputeSegment(segment_id=segment), ComputedSegment)
        return done.added, done.removed, done.total

    async def listed(self, segment: UUID) -> list[str]:
        query = ListSegmentContacts(segment_id=segment)
        page = await self.caller.runtime.ask(self.project, query, SegmentContacts)
        assert page.total == len(page.data)
        return [each.email.partition("@")[0] for each in page.data]

    async def counted(self, segment: UUID) -> int:
        query = CountSegment(segment_id=segment)
        return (await self.caller.runtime.ask(self.project, query, MemberCount)).member_count

    async def explain(self, segment: UUID, contact: UUID) -> Explanation:
        query = ExplainMembership(segment_id=segment, contact_id=contact)
        return await self.caller.runtime.ask(self.project, query, Explanation)

    async def tracked(self, slug: str = "pros") -> list[tuple[str, str]]:
        """Return who entered and who left, in order."""
        facts = [fact for fact in await self.caller.events_of("event.tracked") if fact["name"].startswith("segment.")]
        named = [(fact["email"].partition("@")[0], *fact["name"].split(".")[1:]) for fact in facts]
        return [(email, what) for email, of, what in named if of == slug]

    async def eventually_tracked(self, *moves: tuple[str, str], slug: str = "pros") -> None:
        async def as_expected() -> bool:
            return await self.tracked(slug) == list(moves)

        await eventually(as_expected)


@pytest.fixture
def segments(caller: Caller) -> Segments:
    return Segments(caller)


async def test_each_entry_and_exit_is_tracked_once_with_the_segment(caller: Caller, segments: Segments) -> None:
    segment = await segments.create(PRO)
    ann = await caller.save("ann@example.com", data={"plan": "pro"})
    await segments.eventually_tracked(("ann", "entry"))
    await caller.save("ann@example.com", data={"plan": "pro", "city": "Rome"})
    await caller.save("bea@example.com", data={"plan": "pro"})
    await segments.eventually_tracked(("ann", "entry"), ("bea", "entry"))
    await caller.save("ann@example.com", data={"plan": "free"})
    await segments.eventually_tracked(("ann", "entry"), ("bea", "entry"), ("ann", "exit"))
    (entry, *_) = [f for f in await caller.events_of("event.tracked") if f["name"] == "segment.pros.entry"]
    assert entry["data"] == {"segmentId": str(segment), "segmentName": "Pros"}
    assert entry["contactId"] == str(ann.id)


async def test_events_mails_and_subscriptions_also_change_membership(caller: Caller, segments: Segments) -> None:
    ann = await caller.save("ann@example.com")
    await segments.create(all_of(where("event.bought", "triggered")), "Buyers")
    await segments.create(all_of(where("email.open", "triggeredWithin", 1, "days")), "Readers")
    await segments.create(all_of(where("subscribed", "equals", False)), "Gone")
    await caller.track("looked", "ann@example.com")
    await caller.track("bought", "ann@example.com")
    await segments.eventually_tracked(("ann", "entry"), slug="buyers")
    about: Any = {"email_id": uuid7(), "contact_id": ann.id, "message_id": "m", "at": now(), "first": True}
    await announce(caller.client, caller.project, EmailOpened(**about, machine=True))
    await announce(caller.client, caller.project, EmailOpened(**about))
    await segments.eventually_tracked(("ann", "entry"), slug="readers")
    await caller.unsubscribe(ann.id)
    await segments.eventually_tracked(("ann", "entry"), slug="gone")
    seen = (await segments.explain(await segments.create(all_of(where("email.opened", "triggered"))), ann.id)).condition
    assert seen and seen.groups[0].filters[0].actual["count"] == 1, "what a machine opened does not count"


async def test_existing_contacts_enter_a_segment_when_it_is_created(caller: Caller, segments: Segments) -> None:
    await caller.save("ann@example.com", data={"plan": "pro"})
    tracked, quiet = await segments.create(PRO), await segments.create(PRO, "Quiet", track=False)
    assert await segments.tracked() == [("ann", "entry")]
    assert await segments.counted(tracked) == await segments.counted(quiet) == 1
    await segments.update(quiet, track_membership=True)
    await caller.save("bea@example.com", data={"plan": "pro"})
    await segments.eventually_tracked(("bea", "entry"), slug="quiet")


async def test_time_alone_changes_membership(caller: Caller, segments: Segments) -> None:
    """The contact itself does not change."""
    soon = (now() + timedelta(seconds=1.5)).isoformat()
    await segments.create(all_of(where("event.ping", "triggeredWithin", 0.02, "minutes")), "Recent")
    await segments.create(all_of(where("data.starts", "within", 1, "days")), "Started")
    await segments.create(all_of(where("data.starts", "olderThan", 0.01, "minutes")), "Late")
    await caller.save("ann@example.com", data={"starts": soon})
    await caller.track("ping", "ann@example.com")
    await segments.eventually_tracked(("ann", "entry"), ("ann", "exit"), slug="recent")
    await segments.eventually_tracked(("ann", "entry"), slug="started")
    await segments.eventually_tracked(("ann", "entry"), slug="late")


async def test_a_static_segment_counts_its_members_and_tracks_its_changes(caller: Caller, segments: Segments) -> None:
    await caller.save("ann@example.com")
    known = await segments.create(None)
    first = await segments.add(known, "ANN@example.com ", "ann@example.com", "bea@example.com")
    assert (first.added, first.created, first.not_found) == (1, 0, ["bea@example.com"])
    second = await segments.add(
        known, "ann@example.com", "bea@example.com", "bea@example.com", create_missing=True, subscribed=False
    )
    assert (second.added, second.created, second.not_found) == (1, 1, [])
    assert await segments.listed(known) == ["bea", "ann"]
    assert [each.subscribed for each in (await caller.page()).data] == [False, True]
    assert await segments.remove(known, "ann@example.com", "nobody@example.com") == 1
    assert await segments.remove(known, "ann@example.com") == 0
    assert await segments.tracked() == [("ann", "entry"), ("bea", "entry"), ("ann", "exit")]
    assert await segments.compute(known) == (2, 1, 1)
    assert await caller.events_of("segment.members_removed") != []


async def test_only_static_segments_take_members_and_only_valid_addresses(caller: Caller, segments: Segments) -> None:
    dynamic, known = await segments.create(PRO), await segments.create(None, "List")
    for attempt in (segments.add(dynamic, "ann@example.com"), segments.remove(dynamic, "ann@example.com")):
        with pytest.raises(Rejected, match="STATIC segments") as no:
            await attempt
        assert no.value.code == "SEGMENT_NOT_STATIC"
    with pytest.raises(Rejected) as no:
        await segments.add(known, "ann@example.com", "no address", create_missing=True)
    assert no.value.errors[0].field == "emails.1"
    with pytest.raises(Rejected) as no:
        await segments.add(known)
    assert no.value.errors[0].field == "emails"
    assert (await caller.page()).data == []


async def test_a_deleted_contact_is_in_no_segment_and_no_exit_is_tracked(caller: Caller, segments: Segments) -> None:
    ann = await caller.save("ann@example.com", data={"plan": "pro"})
    dynamic, known = await segments.create(PRO), await segments.create(None, "List")
    await segments.add(known, "ann@example.com")
    await tell(caller.client, caller.project, DeleteContact(contact_id=ann.id), DeletedContact)
    assert await segments.counted(dynamic) == await segments.counted(known) == 0
    assert await segments.listed(dynamic) == await segments.listed(known) == []
    await caller.save("bea@example.com", data={"plan": "pro"})

    async def bea_entered() -> bool:
        return [what for _, what in await segments.tracked()][1:] == ["entry"]

    assert await eventually(bea_entered)


async def test_a_segment_can_refer_to_others_and_follows_them(caller: Caller, segments: Segments) -> None:
    await caller.save("ann@example.com", data={"plan": "pro"})
    await caller.save("bea@example.com", data={"plan": "pro"})
    known, pros = await segments.create(None, "List"), await segments.create(PRO)
    both = await segments.create(
        all_of(where(f"segment.{known}", "memberOfSegment"), where(f"segment.{pros}", "memberOfSegment")), "Both"
    )
    assert await segments.listed(both) == []
    await segments.add(known, "ann@example.com")
    await segments.eventually_tracked(("ann", "entry"), slug="both")
    await segments.add(known, "bea@example.com")
    assert await segments.listed(both) == ["bea", "ann"]
    await segments.eventually_tracked(("ann", "entry"), ("bea", "entry"), slug="both")
    await segments.update(pros, condition=all_of(where("email", "contains", "ann")))
    assert await segments.listed(both) == ["ann"]
    await segments.remove(known, "ann@example.com")
    await segments.eventually_tracked(("ann", "entry"), ("bea", "entry"), ("bea", "exit"), ("ann", "exit"), slug="both")


async def test_circular_references_are_rejected_and_referenced_segments_cannot_be_deleted(
    caller: Caller, segments: Segments
) -> None:
    first = await segments.create(PRO)
    second = await segments.create(all_of(where(f"segment.{first}", "notMemberOfSegment")), "Second")

    async def rejection_of(condition: Condition) -> str:
        with pytest.raises(Rejected) as no:
            await segments.update(first, condition=condition)
        assert no.value.errors[0].field == "condition.groups.0.filters.0.field"
        return no.value.message

    def of(segment: UUID) -> Condition:
        return all_of(where(f"segment.{segment}", "memberOfSegment"))

    unknown = uuid7()
    assert await rejection_of(of(first)) == "A segment cannot reference itself"
    assert await rejection_of(of(second)) == "Circular segment reference detected"
    assert await rejection_of(of(unknown)) == f"Referenced segment not found: {unknown}"
    query = FindSegmentReferences(segment_id=first)
    assert [each.id for each in await caller.runtime.ask(caller.project, query, list[NamedReference])] == [second]
    with pytest.raises(Rejected) as no:
        await segments.tell(DeleteSegment(segment_id=first), DeletedSegment)
    assert no.value.code == "SEGMENT_IN_USE"
    await segments.tell(DeleteSegment(segment_id=second), DeletedSegment)
    await segments.tell(DeleteSegment(segment_id=first), DeletedSegment)

    async def forgotten() -> bool:
        left = "select count(*) from segment_state where project = $1"
        return bool(await caller.runtime.pool.fetchval(left, caller.project) == 0)

    assert await eventually(forgotten)


async def test_a_new_name_keeps_the_slug_and_a_new_condition_tracks_who_moves(
    caller: Caller, segments: Segments
) -> None:
    await caller.save("ann@example.com", data={"plan": "pro"})
    await caller.save("bea@example.com", data={"plan": "free"})
    segment = await segments.create(PRO)
    renamed = await segments.update(segment, name="Others", condition=all_of(where("data.plan", "equals", "free")))
    assert (renamed.name, renamed.slug, renamed.member_count) == ("Others", "pros", 1)
    assert sorted(await segments.tracked()) == [("ann", "entry"), ("ann", "exit"), ("bea", "entry")]
    assert await segments.compute(segment) == (2, 1, 1)
    assert await segments.compute(segment) == (0, 0, 1)
    with pytest.raises(Rejected) as no:
        await segments.compute(await segments.create(PRO, track=False))
    assert no.value.code == "SEGMENT_NOT_TRACKED"


async def test_an_explanation_says_which_filters_hold_and_what_they_saw(caller: Caller, segments: Segments) -> None:
    ann = await caller.save("ann@example.com", data={"plan": "free", "seats": 3})
    known = await segments.create(None, "List")
    nested = all_of(where(f"segment.{known}", "memberOfSegment"))
    condition = all_of(where("data.plan", "equals", "pro"), where("data.seats", "greaterThan", 2))
    segment = await segments.create(
        Condition(logic="OR", groups=[*condition.groups, *[type(condition.groups[0])(conditions=nested)]])
    )
    await segments.add(known, "ann@example.com")
    explanation = await segments.explain(segment, ann.id)
    assert explanation.matches and explanation.condition
    plan, seats = explanation.condition.groups[0].filters
    assert [(f.matches, f.actual) for f in (plan, seats)] == [(False, "free"), (True, 3)]
    within = explanation.condition.groups[1].conditions
    assert within and within.matches and within.groups[0].filters[0].actual is True
    assert (await segments.explain(known, ann.id)).member_since is not None
    with pytest.raises(Rejected, match="Contact not found"):
        await segments.explain(segment, uuid7())


CONDITIONS: list[Callable[[UUID, UUID], Condition]] = [
    lambda listed, other: all_of(where("data.plan", "equals", "pro")),
    lambda listed, other: all_of(where("event.bought", "notTriggered"), where("data.n", "lessThan", 5)),
    lambda listed, other: all_of(where(f"segment.{listed}", "memberOfSegment")),
    lambda listed, other: all_of(where(f"segment.{other}", "notMemberOfSegment"), where("data.n", "exists")),
    lambda listed, other: all_of(where("event.bought", "triggeredWithin", 0.02, "minutes")),
]


async def change_randomly(caller: Caller, segments: Segments, listed: UUID, chance: random.Random) -> None:
    """Make a random change to one of ten contacts."""
    email = f"user{chance.randrange(10)}@example.com"
    match chance.randrange(5):
        case 0:
            await caller.track("bought", email)
        case 1:
            await segments.add(listed, email)
        case 2:
            await segments.remove(listed, email)
        case _:
            await caller.save(email, data={"plan": chance.choice(["pro", "free"]), "n": chance.randrange(10)})


async def test_two_replicas_lose_no_change_and_track_none_twice(
    stack: Stack, caller: Caller, segments: Segments
) -> None:
    """After random concurrent changes the stored members are those that the conditions give, and the entries and exits
    of each contact alternate: a second entry without an exit in between would have been tracked twice."""
    chance = random.Random(7)
    listed = await segments.create(None, "Listed")
    kept = [await segments.create(PRO, "Other")]
    kept += [await segments.create(of(listed, kept[0]), f"Kept {n}") for n, of in enumerate(CONDITIONS)]
    config = stack.settings("contacts")
    async with running(build(config), config) as second:
        for _ in range(12):
            await asyncio.gather(*(change_randomly(caller, segments, listed, chance) for _ in range(20)))
        await eventually(lambda: settled(second, caller.project))
    for segment in kept:
        assert await stored_members(caller, segment) == await matching_contacts(caller, segment)
    moves: dict[tuple[str, str], list[str]] = {}
    for fact in await caller.events_of("event.tracked"):
        if fact["name"].startswith("segment."):
            slug, what = fact["name"].split(".")[1:]
            moves.setdefault((slug, fact["email"]), []).append(what)
    assert len(moves) > 20
    for transitions in moves.values():
        assert transitions == (["entry", "exit"] * len(transitions))[: len(transitions)]
    inside = {key for key, transitions in moves.items() if transitions[-1] == "entry"}
    assert len(inside) == sum([await segments.counted(segment) for segment in [*kept, listed]])


async def test_a_project_is_worked_on_by_one_replica_at_a_time(caller: Caller, segments: Segments) -> None:
    segment = await segments.create(PRO)
    async with caller.runtime.unit() as unit:
        await membership.lock(unit.conn, caller.project)
        await caller.save("ann@example.com", data={"plan": "pro"})
        for _ in range(5):
            await caller.runtime.pool.fetchval("select pg_sleep(0.2)")
            assert await stored_members(caller, segment) == set()
    await segments.eventually_tracked(("ann", "entry"))


async def settled(runtime: Runtime, project: UUID) -> bool:
    """Return whether nothing is left to check, now or later."""
    left = """
    select exists (select from segment_change where project = $1)
        or exists (select from segment_due where project = $1)
        or exists (select from segment_state where project = $1 and scan_from is not null)
    """
    return not await runtime.pool.fetchval(left, project)


async def stored_members(caller: Caller, segment: UUID) -> set[UUID]:
    query = "select contact_id from segment_member where project = $1 and segment_id = $2"
    return {row["contact_id"] for row in await caller.runtime.pool.fetch(query, caller.project, segment)}


async def matching_contacts(caller: Caller, segment: UUID) -> set[UUID]:
    async with caller.runtime.pool.acquire() as conn:
        row = await segment_rows.find(conn, caller.project, segment)
        assert row and row.condition
        return set(await matching.list_matching(conn, caller.project, row.condition, limit=100, offset=0))
