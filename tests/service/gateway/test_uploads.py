"""Uploads: files are passed on in chunks as they arrive, and rejected as a whole if they are malformed."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256
from uuid import UUID, uuid4

import httpx
import pytest

from libs.schemas.contacts.jobs import (
    CHUNK_BYTES,
    MAX_FILE_BYTES,
    MAX_ROWS,
    StartImport,
    StoreImportChunk,
)
from tests.service.gateway.conftest import World
from tests.service.gateway.test_requests import error_of

CSV = b"email,plan\r\nada@example.com,pro\r\n\r\nbob@example.com,free"
BOUNDARY = "----godwit"


def form(content: bytes, name: str = "file") -> dict[str, tuple[str, bytes]]:
    return {name: ("people.csv", content)}


def uploaded(world: World, job_id: str) -> tuple[StartImport, bytes]:
    """Return the command that starts the import, and the file that was stored."""
    mine = [m for m in world.contacts.done_for(world.project) if getattr(m, "import_id", None) == UUID(job_id)]
    chunks = [message for message in mine if isinstance(message, StoreImportChunk)]
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))
    [started] = [message for message in mine if isinstance(message, StartImport)]
    return started, b"".join(chunk.data for chunk in chunks)


async def test_a_file_is_passed_on_unchanged(world: World, api: httpx.AsyncClient) -> None:
    response = await api.post("/contacts/import", files=form(CSV))
    assert response.status_code == 202
    assert set(response.json()) == {"message", "jobId"}
    started, content = uploaded(world, response.json()["jobId"])
    assert content == CSV
    assert (started.chunks, started.size, started.rows) == (1, len(CSV), 2)
    assert started.digest == sha256(CSV).hexdigest()
    assert not started.again


async def test_a_large_file_is_sent_in_chunks_that_fit_the_bus(world: World, api: httpx.AsyncClient) -> None:
    content = b"email\n" + b"".join(b"%d@example.com\n" % number for number in range(60_000))
    response = await api.post("/contacts/import?again=true", files=form(content))
    started, stored = uploaded(world, response.json()["jobId"])
    assert stored == content
    assert (started.chunks, started.rows, started.again) == (-(-len(content) // CHUNK_BYTES), 60_000, True)


async def test_other_fields_of_the_form_are_ignored(world: World, api: httpx.AsyncClient) -> None:
    response = await api.post("/contacts/import", data={"note": "x" * 5000}, files=form(CSV))
    assert uploaded(world, response.json()["jobId"])[1] == CSV


async def test_a_repeat_with_the_same_key_is_one_import(world: World, api: httpx.AsyncClient) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    first = await api.post("/contacts/import", files=form(CSV), headers=headers)
    second = await api.post("/contacts/import", files=form(CSV), headers=headers)
    assert second.json() == first.json()
    assert second.headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"email\nada@example.com\xff\n", "invalid_encoding"),
        ("email\nada@example.com\n".encode("utf-16"), "invalid_encoding"),
        (b"email\nada\0@example.com\n", "invalid_string"),
        (b'email\n"ada@example.com\n', "invalid_csv"),
        (b'email\n"ada"@example.com\n', "invalid_csv"),
        (b"," * 300, "too_many_columns"),
        (b"email," + b"x" * 70_000 + b"\n", "invalid_csv"),
    ],
)
async def test_a_malformed_file_is_rejected_with_its_row(
    world: World, api: httpx.AsyncClient, content: bytes, code: str
) -> None:
    before = len(world.contacts.done_for(world.project))
    response = await api.post("/contacts/import", files=form(content))
    assert error_of(response) == (422, "VALIDATION_ERROR")
    [error] = response.json()["error"]["errors"]
    assert (error["field"], error["code"]) == ("file", code)
    assert error["message"].startswith("Row ")
    assert len(world.contacts.done_for(world.project)) == before


async def test_a_form_without_a_file_is_rejected(api: httpx.AsyncClient) -> None:
    response = await api.post("/contacts/import", files=form(CSV, name="data"))
    assert error_of(response) == (422, "VALIDATION_ERROR")
    assert response.json()["error"]["errors"] == [
        {"field": "file", "message": "CSV file is required", "code": "required"}
    ]


@pytest.mark.parametrize(
    ("kind", "body", "answer"),
    [
        ("application/json", b"{}", (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("text/csv", CSV, (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("multipart/form-data", CSV, (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("multipart/form-data; boundary=x", b"", (400, "BAD_REQUEST")),
        ("multipart/form-data; boundary=x", b"--y\r\n", (400, "BAD_REQUEST")),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken\r\n\r\n", (400, "BAD_REQUEST")),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n\r\nemail\r\n--x--", (400, "BAD_REQUEST")),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nemail\nada@example.com\n',
            (400, "BAD_REQUEST"),
        ),
        (
            "multipart/form-data; boundary=\xe9".encode("latin-1"),
            b"--x--",
            (415, "UNSUPPORTED_MEDIA_TYPE"),
        ),
    ],
)
async def test_a_body_that_is_not_a_form_is_rejected(
    api: httpx.AsyncClient, kind: str | bytes, body: bytes, answer: tuple[int, str]
) -> None:
    kind = kind if isinstance(kind, bytes) else kind.encode()
    response = await api.post("/contacts/import", content=body, headers=[(b"content-type", kind)])
    assert error_of(response) == answer


async def test_a_file_over_a_hundred_megabytes_is_rejected_before_it_is_read(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(
        f"POST /contacts/import HTTP/1.1\r\nHost: godwit\r\nAuthorization: Bearer {world.secret}\r\n"
        f"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {2 * MAX_FILE_BYTES}\r\n\r\n--x".encode()
    )
    assert b" 413 " in await asyncio.wait_for(reader.readline(), 30)
    writer.close()


async def test_a_file_with_more_than_a_million_rows_is_rejected(api: httpx.AsyncClient) -> None:
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    response = await api.post("/contacts/import", content=streamed(too_many_rows()), headers=headers)
    assert error_of(response) == (413, "PAYLOAD_TOO_LARGE")


def too_many_rows() -> Iterator[bytes]:
    yield b"email\n"
    rows = b"a\n" * 50_000
    for _ in range(MAX_ROWS // 50_000):
        yield rows
    yield b"one@more.example\n"


async def streamed(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield a form without a declared length."""
    yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n\r\n'.encode()
    for piece in content:
        yield piece
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("path", ["/contacts/import/nothing", "/contacts/bulk/nothing"])
async def test_an_unknown_job_is_not_found(api: httpx.AsyncClient, path: str) -> None:
    status, code = error_of(await api.get(path))
    assert (status, code.endswith("_NOT_FOUND")) == (404, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "contactIds"),
        ({"contactIds": []}, "contactIds"),
        ({"contactIds": ["x"]}, "contactIds.0"),
        ({"contactIds": [str(uuid4())] * 1001}, "contactIds"),
        ({"mode": "all"}, "mode"),
        ({"mode": "query", "filter": {"search": "a\u0000"}}, ""),
        ({"mode": "query", "filter": {"search": "x" * 256}}, "filter.search"),
        ({"mode": "query", "filter": 3}, "filter"),
        ({"mode": "query", "excludeIds": [str(uuid4())] * 10_001}, "excludeIds"),
    ],
)
async def test_errors_of_bulk_operations_name_their_field(api: httpx.AsyncClient, body: object, field: str) -> None:
    response = await api.post("/contacts/bulk-subscribe", json=body)
    assert error_of(response) == (422, "VALIDATION_ERROR")
    assert [error["field"] for error in response.json()["error"]["errors"]] == [field]


@pytest.mark.parametrize(
    "body",
    [
        {"contactIds": [str(uuid4())]},
        {"mode": "ids", "contactIds": [str(uuid4())]},
        {"mode": "query", "filter": {"search": "corp"}, "excludeIds": [str(uuid4())] * 10_000},
    ],
)
async def test_bulk_operations_accept_three_forms_of_bodies(api: httpx.AsyncClient, body: object) -> None:
    response = await api.post("/contacts/bulk-unsubscribe", json=body)
    assert response.status_code == 202
    assert set(response.json()) == {"message", "jobId"}
