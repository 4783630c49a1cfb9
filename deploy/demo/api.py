"""The calls that the demo makes, all through the public HTTP API."""

import asyncio
import csv
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.demo.target import Target

CONTACTS = Path(__file__).parent / "contacts.csv"
CONNECTIONS = 16
TIMEOUT = 30.0


class Refused(Exception):
    """The API said no; the message is its answer."""


class Api:
    """One project of a running Godwit, and the sandbox that it sends through."""

    def __init__(self, client: httpx.AsyncClient, sandbox: httpx.AsyncClient) -> None:
        self._client = client
        self._sandbox = sandbox

    async def get(self, path: str, **query: Any) -> Any:
        return _json(await self._client.get(path, params=query))

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return _json(await self._client.post(path, json=body))

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return _json(await self._client.patch(path, json=body))

    async def send(self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> httpx.Response:
        """A call whose answer is looked at whole, refusals too."""
        return await self._client.request(method, path, json=body, headers=headers)

    async def sandbox_get(self, path: str, **query: Any) -> Any:
        return _json(await self._sandbox.get(path, params=query))

    async def set_account(self, **settings: float) -> Any:
        """Change what the sandbox's SES account may do, such as `maxSendRate`."""
        return _json(await self._sandbox.post("/sandbox/account", json=settings))

    async def accepted(self) -> list[dict[str, Any]]:
        """Every message that SES, as the sandbox plays it, has accepted."""
        answer = await self.sandbox_get("/sandbox/messages", limit=100_000, fields="emailId,tags")
        messages: list[dict[str, Any]] = answer["messages"]
        return messages

    async def sandbox_stats(self) -> Any:
        return await self.sandbox_get("/sandbox/stats")

    async def emails(self, campaign_id: str) -> AsyncIterator[dict[str, Any]]:
        """Every intent of a campaign, as Godwit tells it."""
        page: dict[str, Any] = {"hasMore": True, "cursor": None}
        while page["hasMore"]:
            cursor = {"cursor": page["cursor"]} if page["cursor"] else {}
            page = await self.get("/emails", campaignId=campaign_id, limit=100, **cursor)
            for email in page["data"]:
                yield email

    async def import_contacts(self) -> AsyncIterator[int]:
        """Save every row of the CSV, many at a time; yields how many are in."""
        rows = iter(list(contacts()))
        done = asyncio.Queue[None](maxsize=1000)
        async with asyncio.TaskGroup() as tasks:
            workers = [tasks.create_task(self._save_all(rows, done)) for _ in range(CONNECTIONS)]
            saved = 0
            while not (all(worker.done() for worker in workers) and done.empty()):
                try:
                    await asyncio.wait_for(done.get(), 0.2)
                except TimeoutError:
                    continue
                saved += 1
                yield saved

    async def _save_all(self, rows: Iterable[Mapping[str, Any]], done: "asyncio.Queue[None]") -> None:
        for row in rows:
            await self.post("/contacts", row)
            await done.put(None)


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Api]:
    limits = httpx.Limits(max_connections=CONNECTIONS)
    headers = {"Authorization": f"Bearer {target.secret_key}"}
    async with (
        httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, limits=limits, timeout=TIMEOUT) as client,
        httpx.AsyncClient(base_url=target.endpoints.sandbox_url, timeout=TIMEOUT) as sandbox,
    ):
        yield Api(client, sandbox)


def contacts() -> Iterable[dict[str, Any]]:
    """The rows of the CSV as bodies of POST /contacts, with typed fields."""
    with CONTACTS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            email, subscribed = row.pop("email"), row.pop("subscribed") == "true"
            yield {"email": email, "subscribed": subscribed, "data": {key: typed(value) for key, value in row.items()}}


def typed(text: str) -> Any:
    """What a cell means: true and false are booleans, digits are numbers, the rest is text."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() else text


def _json(response: httpx.Response) -> Any:
    if response.is_error:
        raise Refused(f"{response.request.method} {response.request.url.path}: {response.text}")
    return response.json()
