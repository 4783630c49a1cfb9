"""The calls of the demo, all through the public HTTP API."""

import asyncio
import csv
import json
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from deploy.demo.target import Target

CONTACTS = Path(__file__).parent / "contacts.csv"
CONNECTIONS = 12
TIMEOUT = 30.0
UNAVAILABLE_LIMIT = 20.0
UNAVAILABLE = 503
TOO_MANY_REQUESTS = 429
RATE_LIMIT_HINT = "stop it, and the demo starts its own stack; or start it with GODWIT_API_RATE_LIMIT=0"


class RequestFailed(Exception):
    """Raised when a call is answered with an error; the message is the answer."""


class Api:
    """A client for one project of a running Godwit, and for the sandbox it sends through."""

    def __init__(self, client: httpx.AsyncClient, sandbox: httpx.AsyncClient) -> None:
        self._client = client
        self._sandbox = sandbox

    async def get(self, path: str, **query: Any) -> Any:
        """Return the answer. Retry while the service is unavailable, as it is for a moment after it was killed."""
        deadline = time.monotonic() + UNAVAILABLE_LIMIT
        while True:
            try:
                response = await self._client.get(path, params=query)
                if response.status_code != UNAVAILABLE or time.monotonic() > deadline:
                    return _json(response)
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return _json(await self._client.post(path, json=body))

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return _json(await self._client.patch(path, json=body))

    async def send(self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> httpx.Response:
        """Make a call and return the whole response, even if it is an error."""
        return await self._client.request(method, path, json=body, headers=headers)

    async def sandbox_get(self, path: str, **query: Any) -> Any:
        return _json(await self._sandbox.get(path, params=query))

    async def sandbox_post(self, path: str, body: Mapping[str, Any]) -> Any:
        return _json(await self._sandbox.post(path, json=body))

    async def sandbox_delete(self, path: str) -> Any:
        return _json(await self._sandbox.delete(path))

    async def set_account(self, **settings: float) -> Any:
        """Change limits of the sandbox's SES account, such as `maxSendRate`."""
        return await self.sandbox_post("/sandbox/account", settings)

    async def accepted(self) -> list[dict[str, Any]]:
        """Return every message that the sandbox has accepted in the place of SES."""
        answer = await self.sandbox_get("/sandbox/messages", limit=100_000, fields="emailId,tags")
        messages: list[dict[str, Any]] = answer["messages"]
        return messages

    async def sandbox_stats(self) -> Any:
        return await self.sandbox_get("/sandbox/stats")

    async def emails(self, campaign_id: str) -> AsyncIterator[dict[str, Any]]:
        """Yield every intent of a campaign as Godwit shows it."""
        page: dict[str, Any] = {"hasMore": True, "cursor": None}
        while page["hasMore"]:
            cursor = {"cursor": page["cursor"]} if page["cursor"] else {}
            page = await self.get("/emails", campaignId=campaign_id, limit=100, **cursor)
            for email in page["data"]:
                yield email


@asynccontextmanager
async def connect(target: Target) -> AsyncIterator[Api]:
    limits = httpx.Limits(max_connections=CONNECTIONS)
    headers = {"Authorization": f"Bearer {target.secret_key}"}
    async with (
        httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, limits=limits, timeout=TIMEOUT) as client,
        httpx.AsyncClient(base_url=target.endpoints.sandbox_url, timeout=TIMEOUT) as sandbox,
    ):
        yield Api(client, sandbox)


async def import_contacts(target: Target) -> AsyncIterator[int]:
    """Save every row of the CSV over several connections at once, and regularly yield how many are saved.

    It uses the standard library's client in threads, at a fraction of the cost of httpx: these are five thousand calls.
    """
    rows, saved = iter(list(contacts())), list[int]()
    workers = [asyncio.create_task(asyncio.to_thread(_save_all, target, rows, saved)) for _ in range(CONNECTIONS)]
    pending = set(workers)
    while pending:
        _, pending = await asyncio.wait(pending, timeout=0.2)
        yield len(saved)
    await asyncio.gather(*workers)


def _save_all(target: Target, rows: Iterator[dict[str, Any]], saved: list[int]) -> None:
    connection = HTTPConnection(urlsplit(target.endpoints.url).netloc, timeout=TIMEOUT)
    headers = {"Authorization": f"Bearer {target.secret_key}", "Content-Type": "application/json"}
    for row in rows:
        connection.request("POST", "/contacts", json.dumps(row), headers)
        answer = connection.getresponse()
        text = answer.read()
        if answer.status == TOO_MANY_REQUESTS:
            raise RequestFailed(
                f"{urlsplit(target.endpoints.url).netloc} allows too few requests per minute: {RATE_LIMIT_HINT}"
            )
        if answer.status >= 300:
            raise RequestFailed(f"POST /contacts: {text.decode()}")
        saved.append(answer.status)
    connection.close()


def contacts() -> Iterable[dict[str, Any]]:
    """Yield the rows of the CSV as bodies of POST /contacts, with typed fields."""
    with CONTACTS.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            email, subscribed = row.pop("email"), row.pop("subscribed") == "true"
            yield {
                "email": email,
                "subscribed": subscribed,
                "data": {key: typed_value(value) for key, value in row.items()},
            }


def typed_value(text: str) -> Any:
    """Return the value of a cell: true and false are booleans, digits are numbers, the rest is text."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdecimal() else text


def _json(response: httpx.Response) -> Any:
    if response.is_error:
        raise RequestFailed(f"{response.request.method} {response.request.url.path}: {response.text}")
    return response.json()
