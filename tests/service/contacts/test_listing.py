"""Listing contacts, page by page."""

import asyncio
from uuid import uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.process.runtime import Runtime
from libs.schemas.contacts.contacts import ContactView
from services.contacts.contacts import search as searching
from tests.service.contacts.caller import Caller


async def test_pages_are_newest_first_without_gap_or_overlap(caller: Caller) -> None:
    """Contacts created in one batch have the same time, so their ids decide the order."""
    for number in range(3):
        await caller.save(f"early{number}@example.com")
    await asyncio.gather(*(caller.save(f"user{number}@example.com") for number in range(20)))
    shown: list[ContactView] = []
    cursor, totals = None, []
    while cursor or not shown:
        page = await caller.page(limit=5, cursor=cursor)
        shown, cursor = shown + page.data, page.cursor
        totals.append(page.total)
        assert page.has_more is (cursor is not None)
    assert [each.email for each in shown[-3:]] == [f"early{number}@example.com" for number in (2, 1, 0)]
    assert len({each.id for each in shown}) == len(shown) == 23
    assert totals == [23, 0, 0, 0, 0]


async def test_a_new_contact_does_not_shift_the_following_pages(caller: Caller) -> None:
    for number in range(4):
        await caller.save(f"user{number}@example.com")
    first = await caller.page(limit=2)
    await caller.save("late@example.com")
    second = await caller.page(limit=2, cursor=first.cursor)
    assert [each.email for each in second.data] == ["user1@example.com", "user0@example.com"]


async def test_search_finds_a_part_of_the_address_whatever_its_case(caller: Caller) -> None:
    for email in ("ann@example.com", "joann@example.org", "a_n@example.com", "bea@example.com"):
        await caller.save(email)
    found = await caller.page(search="ANN")
    assert ({each.email for each in found.data}, found.total) == ({"ann@example.com", "joann@example.org"}, 2)
    assert [each.email for each in (await caller.page(search="a_n")).data] == ["a_n@example.com"]
    assert (await caller.page(search="%")).total == 0


@pytest.mark.parametrize(
    ("min_common", "max_indexed"),
    [(1, 1), (1, 10_000), (10_000, 10_000)],
    ids=["most match", "many match", "few match"],
)
@pytest.mark.parametrize("search", ["a", "an", "ann", "ann1", "nobody", "bea29", "%", "ä"])
async def test_in_a_long_list_the_pages_of_a_search_find_every_match_once(
    caller: Caller, monkeypatch: pytest.MonkeyPatch, search: str, min_common: int, max_indexed: int
) -> None:
    """A page ends when it is full or its window is scanned, and its cursor continues from there."""
    shrink(monkeypatch, MIN_COMMON=min_common, MAX_INDEXED=max_indexed)
    names = [f"{('ann', 'bea', 'joann', 'zoe')[n % 4]}{n}@example.org" for n in range(30)]
    for name in names:
        await caller.save(name)
    found: list[str] = []
    page = await caller.page(search=search, limit=2)
    total = page.total
    while page.cursor:
        found += [each.email for each in page.data]
        page = await caller.page(search=search, limit=2, cursor=page.cursor)
    found += [each.email for each in page.data]
    expected = [name for name in reversed(names) if search in name]
    assert found == expected
    counted = min(len(expected), 4)
    if len(search.encode()) < 3:
        assert total <= counted
    else:
        assert total == counted or (
            total == 4 and min_common == 1
        )  # estimated from the sample, for which one match is many here


async def test_contacts_created_and_deleted_between_two_pages_of_a_search_neither_hide_nor_repeat_others(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    shrink(monkeypatch, MIN_COMMON=1, MAX_INDEXED=1)
    saved = [await caller.save(f"{('ann', 'bea')[n % 2]}{n}@example.org") for n in range(20)]
    first = await caller.page(search="ann", limit=2)
    await caller.save("ann-late@example.org")
    await caller.delete(saved[19].id)
    await caller.delete(saved[12].id)
    shown, page = [each.email for each in first.data], first
    while page.cursor:
        page = await caller.page(search="ann", limit=2, cursor=page.cursor)
        shown += [each.email for each in page.data]
    assert shown == [f"ann{n}@example.org" for n in (18, 16, 14, 10, 8, 6, 4, 2, 0)]


def shrink(monkeypatch: pytest.MonkeyPatch, **values: float) -> None:
    """Reduce the limits of the search, so that six contacts make a long list and four are counted."""
    for name, value in {"SHORT_WINDOW": 5, "COMMON_WINDOW": 6, "MAX_COUNTED": 4, "MIN_SPREAD": 0, **values}.items():
        monkeypatch.setattr(searching, name, value)


async def test_limits_are_clamped_and_invalid_values_rejected(caller: Caller, contacts: Runtime) -> None:
    for number in range(3):
        await caller.save(f"user{number}@example.com")
    assert len((await caller.page(limit=0)).data) == 1 and len((await caller.page(limit=10_000)).data) == 3
    assert (await Caller(contacts, uuid4()).page()).data == []
    for query in ({"cursor": "x"}, {"cursor": "_" * 32}, {"search": "\0"}):
        with pytest.raises(Rejected) as no:
            await caller.page(**query)
        assert no.value.code == "VALIDATION_ERROR"
