"""Bulk operations on contacts, selected by ids or by a search."""

from uuid import UUID, uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.process.runtime import Runtime
from libs.schemas.contacts.jobs import (
    ContactError,
    ContactFilter,
    ContactSearch,
    ContactSelection,
)
from tests.service.contacts.caller import Caller
from tests.service.contacts.jobs import Jobs


@pytest.fixture
def jobs(contacts: Runtime, project: UUID) -> Jobs:
    return Jobs(contacts, project)


async def test_contacts_named_by_id_are_subscribed_and_unknown_ones_are_reported(jobs: Jobs, caller: Caller) -> None:
    ann, bob = await caller.save("ann@example.com", subscribed=False), await caller.save("bob@example.com")
    stranger = uuid4()
    done = await jobs.done("subscribe", ContactSelection(contact_ids=[ann.id, bob.id, stranger, ann.id]))
    assert (done.state, done.progress) == ("completed", 100)
    result = done.result
    assert result
    assert (result.operation, result.total_requested) == ("subscribe", 3)
    assert (result.success_count, result.unchanged_count, result.failure_count) == (1, 1, 1)
    assert result.errors == [ContactError(contact_id=str(stranger), email="", error="Contact not found")]
    assert (await caller.get(ann.id)).subscribed
    assert (await caller.event_types()).count("contact.subscribed") == 1


async def test_a_search_selects_all_matching_contacts_except_the_excluded(jobs: Jobs, caller: Caller) -> None:
    saved = [await caller.save(f"{name}@corp.example") for name in ("ann", "bob", "cid")]
    other = await caller.save("dan@example.com")
    search = ContactSearch(filter=ContactFilter(search="CORP", subscribed=True), exclude_ids=[saved[1].id])
    done = await jobs.done("unsubscribe", search)
    assert done.result
    assert (done.result.total_requested, done.result.success_count) == (2, 2)
    states = [(await caller.get(contact.id)).subscribed for contact in (*saved, other)]
    assert states == [False, True, False, True]


async def test_contacts_of_another_project_are_not_found(jobs: Jobs, contacts: Runtime) -> None:
    foreign = await Caller(contacts, uuid4()).save("ann@example.com")
    done = await jobs.done("unsubscribe", ContactSelection(contact_ids=[foreign.id]))
    assert done.result
    assert (done.result.success_count, done.result.failure_count) == (0, 1)


async def test_contacts_are_deleted_once_and_their_addresses_become_free(jobs: Jobs, caller: Caller) -> None:
    saved = [await caller.save(f"{name}@example.com") for name in ("ann", "bob", "cid")]
    done = await jobs.done("delete", ContactSearch(exclude_ids=[saved[2].id]))
    assert done.result
    assert (done.result.operation, done.result.success_count) == ("delete", 2)
    assert [contact.email for contact in (await caller.page()).data] == ["cid@example.com"]
    again = await jobs.done("delete", ContactSelection(contact_ids=[saved[0].id]))
    assert again.result
    assert again.result.failure_count == 1
    assert (await caller.save("ann@example.com")).meta.is_new


async def test_a_search_without_matches_completes_at_once(jobs: Jobs) -> None:
    done = await jobs.done("unsubscribe", ContactSearch())
    assert done.result
    assert (done.state, done.result.total_requested) == ("completed", 0)


async def test_an_empty_list_of_ids_is_rejected(jobs: Jobs) -> None:
    with pytest.raises(Rejected) as rejection:
        await jobs.start_bulk("subscribe", ContactSelection(contact_ids=[]))
    assert [error.field for error in rejection.value.errors] == ["contactIds"]


async def test_a_job_that_has_ended_cannot_be_cancelled(jobs: Jobs) -> None:
    done = await jobs.done("unsubscribe", ContactSearch())
    with pytest.raises(Rejected) as rejection:
        await jobs.cancel(done.id, "bulk")
    assert rejection.value.code == "JOB_ENDED"
    with pytest.raises(Rejected, match="Import job not found"):
        await jobs.cancel(done.id, "import")
