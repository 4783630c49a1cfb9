"""Importing files of contacts: every row is imported once, or reported with its error."""

from uuid import UUID, uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.messaging.suspects import MAX_DEATHS
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import tell
from libs.schemas.contacts.jobs import (
    CHUNK_BYTES,
    JobAccepted,
    RowError,
    StartImport,
    StoredChunk,
    StoreImportChunk,
)
from tests.service.contacts.caller import Caller
from tests.service.contacts.jobs import Jobs


@pytest.fixture
def jobs(contacts: Runtime, project: UUID) -> Jobs:
    return Jobs(contacts, project)


async def test_the_columns_of_a_file_become_typed_data(jobs: Jobs, caller: Caller) -> None:
    done = await jobs.imported(
        "\ufefffirstName;Email;subscribed;vip;age;zip;note\r\n"
        'Ann; ANN@Example.com ;TRUE;yes;41;01234;"says ""hi""\nand more"\r\n'
        "Bob;bob@example.com;0;no;1.5;;\r\n"
    )
    assert (done.state, done.progress, done.failed_reason) == ("completed", 100, None)
    ann, bob = sorted((await caller.page()).data, key=lambda contact: contact.email)
    assert ann.data == {"firstName": "Ann", "vip": True, "age": 41, "zip": "01234", "note": 'says "hi"\nand more'}
    assert (ann.email, ann.subscribed) == ("ann@example.com", True)
    assert bob.data == {"firstName": "Bob", "vip": False, "age": 1.5}
    assert not bob.subscribed


async def test_rows_are_counted_by_their_result(jobs: Jobs, caller: Caller) -> None:
    await caller.save("known@example.com", data={"plan": "free", "kept": 1})
    await caller.save("same@example.com", data={"plan": "pro"})
    done = await jobs.imported(
        "email,plan\nnew@example.com,pro\nknown@example.com,pro\nsame@example.com,pro\n\nnot an address,pro\n,pro\n"
        "new@example.com,gold\n"
    )
    result = done.result
    assert result
    assert (result.total_rows, result.success_count, result.failure_count) == (6, 4, 2)
    assert (result.created_count, result.updated_count, result.unchanged_count) == (1, 3, 1)
    assert result.errors == [
        RowError(row=6, email="not an address", error="Invalid email"),
        RowError(row=7, email="", error="Invalid email"),
    ]
    found = {contact.email: contact.data for contact in (await caller.page()).data}
    assert found["known@example.com"] == {"plan": "pro", "kept": 1}
    assert found["new@example.com"] == {"plan": "gold"}


async def test_an_import_without_a_subscribed_column_changes_no_subscription(jobs: Jobs, caller: Caller) -> None:
    ann = await caller.save("ann@example.com", subscribed=False)
    await jobs.imported("email,name,subscribed\nann@example.com,Ann,\n")
    assert not (await caller.get(ann.id)).subscribed


async def test_the_same_file_is_imported_again_only_on_request(jobs: Jobs, caller: Caller) -> None:
    text = "email,subscribed\nann@example.com,true\n"
    first = await jobs.start_import(text)
    await jobs.import_ended(first.job_id)
    [ann] = (await caller.page()).data
    await caller.unsubscribe(ann.id)
    assert (await jobs.start_import(text)).job_id == first.job_id
    assert not (await caller.get(ann.id)).subscribed
    done = await jobs.imported(text, again=True)
    assert done.id != first.job_id
    assert (await caller.get(ann.id)).subscribed


async def test_another_project_sees_neither_the_job_nor_its_file(jobs: Jobs, contacts: Runtime) -> None:
    text = "email\nann@example.com\n"
    mine = await jobs.start_import(text)
    other = Jobs(contacts, uuid4())
    with pytest.raises(Rejected, match="Import job not found"):
        await other.get_import(mine.job_id)
    with pytest.raises(Rejected, match="Import job not found"):
        await other.cancel(mine.job_id)
    assert (await other.start_import(text)).job_id != mine.job_id


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_file"),
        ("email\n", "empty_file"),
        ("name,plan\nAnn,pro\n", "missing_column"),
        ("email,plan,plan\na@x.io,1,2\n", "duplicate_column"),
        ("email,Email\na@x.io,b@x.io\n", "duplicate_column"),
        ('"email\na@x.io\n', "invalid_csv"),
    ],
)
async def test_a_file_with_unusable_columns_starts_no_import(jobs: Jobs, text: str, code: str) -> None:
    import_id = uuid7()
    with pytest.raises(Rejected) as refused:
        await jobs.start_import(text, import_id=import_id)
    assert [(error.field, error.code) for error in refused.value.errors] == [("file", code)]
    with pytest.raises(Rejected, match="Import job not found"):
        await jobs.get_import(import_id)


async def test_an_incomplete_file_is_not_imported(jobs: Jobs) -> None:
    import_id, piece = uuid7(), b"email\n"
    await _store(jobs, import_id, piece)
    command = StartImport(import_id=import_id, chunks=2, size=CHUNK_BYTES + 5, rows=9, digest="")
    with pytest.raises(Rejected) as refused:
        await tell(jobs.runtime.client, jobs.project, command, JobAccepted)
    assert refused.value.code == "BAD_REQUEST"


async def test_a_stored_chunk_cannot_be_replaced_by_a_different_one(jobs: Jobs) -> None:
    import_id = uuid7()
    await _store(jobs, import_id, b"email\n")
    await _store(jobs, import_id, b"email\n")
    with pytest.raises(Rejected) as refused:
        await _store(jobs, import_id, b"e-mail\n")
    assert refused.value.code == "IDEMPOTENCY_KEY_REUSED"


async def test_a_cancelled_import_stops_and_keeps_its_changes(jobs: Jobs, caller: Caller) -> None:
    text = "email\n" + "".join(f"{number}@example.com\n" for number in range(20_000))
    started = await jobs.start_import(text)
    assert (await jobs.cancel(started.job_id)).state == "cancelled"
    done = await jobs.get_import(started.job_id)
    assert (done.state, done.progress < 100) == ("cancelled", True)
    assert done.result
    assert done.result.created_count == (await caller.page(limit=1)).total
    assert (await jobs.cancel(started.job_id)).state == "cancelled"


async def _store(jobs: Jobs, import_id: UUID, data: bytes, number: int = 0) -> None:
    command = StoreImportChunk(import_id=import_id, number=number, data=data)
    await tell(jobs.runtime.client, jobs.project, command, StoredChunk)


async def test_a_job_with_which_processes_died_fails_instead_of_killing_another(jobs: Jobs, contacts: Runtime) -> None:
    import_id = uuid7()
    note = "insert into suspect (kind, id, run, deaths) values ('contacts-jobs', $1, $2, $3)"
    await contacts.pool.execute(note, import_id, uuid4(), MAX_DEATHS - 1)
    await jobs.start_import("email\nada@example.com\n", import_id=import_id)
    ended = await jobs.import_ended(import_id)
    assert ended.state == "failed"
    assert "processes died" in (ended.failed_reason or "")
    assert await contacts.pool.fetchval("select count(*) from suspect where id = $1", import_id) == 0


async def test_a_job_that_was_at_hand_when_a_process_died_goes_on(jobs: Jobs, contacts: Runtime) -> None:
    import_id = uuid7()
    note = "insert into suspect (kind, id, run) values ('contacts-jobs', $1, $2)"
    await contacts.pool.execute(note, import_id, uuid4())
    await jobs.start_import("email\nada@example.com\n", import_id=import_id)
    assert (await jobs.import_ended(import_id)).state == "completed"
