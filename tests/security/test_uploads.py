"""Uploads and large bodies of one project leave room for those of others (S-15)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from services.gateway.http.json_body import MAX_TOKENS
from tests.service.gateway.conftest import World

UPLOADS = 30
HEAD = (
    "POST {path} HTTP/1.1\r\nHost: godwit\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}\r\n"
    "Content-Length: {length}\r\n\r\n"
)
FORM = "multipart/form-data; boundary=x"
FORM_START = b'--x\r\nContent-Disposition: form-data; name="file"; filename="people.csv"\r\n\r\nemail\r\n'
FILE = FORM_START + b"ada@example.com\r\n--x--\r\n"


@asynccontextmanager
async def unfinished(world: World, count: int, path: str, kind: str, body: bytes) -> AsyncIterator[None]:
    """Hold so many requests of the attacker open, whose bodies go on for ever."""
    head = HEAD.format(path=path, key=world.secret, kind=kind, length=len(body) + 1_000_000).encode()
    opened = [await asyncio.open_connection("127.0.0.1", world.gateway.settings.http_port) for _ in range(count)]
    try:
        for _, writer in opened:
            writer.write(head + body)
            await writer.drain()
        await asyncio.sleep(0.5)
        yield
    finally:
        for _, writer in opened:
            writer.close()


async def test_files_that_never_end_leave_room_for_the_files_of_others(
    world: World, api: httpx.AsyncClient, other_project: httpx.AsyncClient
) -> None:
    async with unfinished(world, UPLOADS, "/contacts/import", FORM, FORM_START):
        headers = {"Content-Type": FORM}
        uploaded = await other_project.post("/contacts/import", content=FILE, headers=headers)
        assert uploaded.status_code == 202, uploaded.text
        refused = await api.post("/contacts/import", content=FILE, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert refused.headers["Retry-After"].isdigit()


async def test_large_bodies_that_never_end_leave_room_for_those_of_others(
    world: World, other_project: httpx.AsyncClient
) -> None:
    text = b'{"subject":"Hi","from":"me@example.com","to":"a@example.com","body":"' + b"x" * 1_500_000
    async with unfinished(world, UPLOADS, "/v1/send", "application/json", text):
        accepted = await other_project.post("/v1/send", json=large_mail())
    assert accepted.status_code != 503, accepted.text


def large_mail() -> dict[str, object]:
    attachment = {"filename": "a.txt", "content": "eHh4" * 400_000, "contentType": "text/plain"}
    mail = {"subject": "Hi", "from": "me@example.com", "to": "a@example.com", "body": "<p>x</p>"}
    return {**mail, "attachments": [attachment]}


@pytest.mark.parametrize("more", [{}, {"Idempotency-Key": "many-values"}], ids=["plain", "with a key"])
async def test_a_body_of_very_many_values_is_refused(api: httpx.AsyncClient, more: dict[str, str]) -> None:
    body = msgspec.json.encode({"data": [""] * (MAX_TOKENS + 1)})
    refused = await api.post("/v1/send", content=body, headers={"Content-Type": "application/json", **more})
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert "at most 200000 names, values and brackets" in refused.text
