"""A project that asks and tells as much as it can, to see what its neighbours notice."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import httpx
import msgspec

from deploy.demo.target import Target
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.eventstore.store import begin
from services.gateway.accounts import keys
from services.gateway.accounts.read_models import api_key
from tests.benchmarks.contacts_at_scale import fill
from tests.benchmarks.load import Connection

SEARCHES = 20
"""Text searches in data: as many as a condition may have."""
PREVIEWS, SEARCHING, REDEFINING = 10, 4, 2
"""Connections of the attack, by what they repeat."""


class Attacker(msgspec.Struct, frozen=True):
    """A project with many contacts, an expensive campaign and an expensive segment."""

    url: str
    headers: dict[str, str]
    campaign: str
    segment: str


def expensive(filters: int = SEARCHES) -> dict[str, Any]:
    """Return a condition of so many text searches that nobody matches, so that every contact is tested by each."""
    tests = [{"field": "data.name", "operator": "contains", "value": f"zz{uuid4().hex}"} for _ in range(filters)]
    return {"logic": "OR", "groups": [{"filters": [test]} for test in tests]}


async def prepare(target: Target, contacts: int) -> Attacker:
    """Set up the attacker beside the first project of the stack."""
    headers = {"Authorization": f"Bearer {await _new_project(target, contacts)}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, timeout=60) as client:
        audience = {"audienceType": "FILTERED", "audienceCondition": expensive()}
        created = await client.post("/campaigns", json={"name": "News"} | audience)
        segment = await client.post("/segments", json={"name": "Nobody", "condition": expensive(1)})
    assert created.status_code == segment.status_code == 201, created.text + segment.text
    return Attacker(target.endpoints.url, headers, created.json()["id"], segment.json()["id"])


async def _new_project(target: Target, contacts: int) -> str:
    """Return the secret key of a new project with so many contacts."""
    project, secret = uuid7(), keys.generate("secret")
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    try:
        await conn.execute("set search_path = gateway")
        async with conn.transaction():
            unit = await begin(conn, [api_key])
            unit.append([keys.key_issued(secret, uuid7())], Origin(project=project))
            await unit.flush()
        await conn.execute("set search_path = contacts")
        await fill(conn, project, contacts)
    finally:
        await conn.close()
    return secret


class AttackConnection(Connection):
    """A connection that counts the statuses of its responses."""

    def __init__(self, next_request: Callable[[], bytes | None], finished: "asyncio.Future[None]") -> None:
        super().__init__(next_request, finished)
        self.statuses: Counter[int] = Counter()

    def data_received(self, data: bytes) -> None:
        before = len(self.latencies)
        head = self._buffer + data
        super().data_received(data)
        if len(self.latencies) > before:
            self.statuses[int(head[9:12])] += 1


@asynccontextmanager
async def attack(attacker: Attacker) -> AsyncIterator[Counter[int]]:
    """Attack at full speed during the block. The statuses of the responses are counted when it ends."""
    stopped, statuses = asyncio.Event(), Counter[int]()
    connections: list[AttackConnection] = []
    ends: list[asyncio.Future[None]] = []
    for request in _requests(attacker):
        ends.append(asyncio.get_running_loop().create_future())
        connections.append(await _connect(attacker.url, partial(_until, stopped, request), ends[-1]))
    try:
        yield statuses
    finally:
        stopped.set()
        await asyncio.gather(*ends)
        for connection in connections:
            statuses.update(connection.statuses)


def _until(stopped: asyncio.Event, make_request: Callable[[], bytes]) -> bytes | None:
    return None if stopped.is_set() else make_request()


async def _connect(url: str, next_request: Callable[[], bytes | None], end: "asyncio.Future[None]") -> AttackConnection:
    parts = urlsplit(url)
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: AttackConnection(next_request, end), parts.hostname or "localhost", parts.port or 80
    )
    return connection


def _requests(attacker: Attacker) -> list[Callable[[], bytes]]:
    """Return what each connection repeats: audiences, searches, and new definitions of a segment."""
    numbers = count()

    def redefine() -> bytes:
        return _request(attacker, "PATCH", f"/segments/{attacker.segment}", {"condition": expensive()})

    def preview() -> bytes:
        return _request(attacker, "GET", f"/campaigns/{attacker.campaign}/contacts?page={1 + next(numbers) % 5}")

    def search() -> bytes:
        return _request(attacker, "GET", "/contacts?search=zq")

    return [preview] * PREVIEWS + [search] * SEARCHING + [redefine] * REDEFINING


def _request(attacker: Attacker, method: str, path: str, body: object = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(attacker.url).netloc}", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in attacker.headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content
