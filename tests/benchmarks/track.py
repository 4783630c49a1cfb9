"""POST /v1/track, with its response after the commit, next to a bare POST of the same body."""

import json
from collections.abc import Iterator
from uuid import uuid4

from rich.table import Table

from deploy.demo.target import Target
from tests.benchmarks.load import Measured, post

RUNS = ((1, 500), (16, 4000), (64, 8000), (256, 10000))
HOT_EVENTS = 10_000


async def bench(target: Target, bare: str) -> Table:
    headers = headers_of(target)
    table = Table(title="POST /v1/track", title_justify="left")
    for column in ("connections", "track/s", "p50 ms", "p99 ms", "errors", "bare/s", "share of bare"):
        table.add_column(column, justify="right")
    for connections, requests in RUNS:
        plain = await post(f"{bare}/track", headers, tracked(requests), connections)
        ours = await post(f"{target.endpoints.url}/v1/track", headers, tracked(requests), connections)
        table.add_row(str(connections), *_row(ours), f"{plain.rate:,.0f}", f"{ours.rate / plain.rate:.2f}")
    await _hot_contact(table, target, headers)
    return table


async def _hot_contact(table: Table, target: Target, headers: dict[str, str]) -> None:
    """Compare the call for a contact that has ten thousand events with one for a new contact."""
    url, hot, new = f"{target.endpoints.url}/v1/track", _address(), _address()
    await post(url, headers, for_one(hot, HOT_EVENTS), 64)
    first = await post(url, headers, for_one(new, 1000), 16)
    later = await post(url, headers, for_one(hot, 1000), 16)
    table.add_row("16, one new contact", *_row(first), "", "")
    table.add_row("16, one with 10,000 events", *_row(later), "", f"{later.rate / first.rate:.2f} of new")


def headers_of(target: Target) -> dict[str, str]:
    return {"Authorization": f"Bearer {target.secret_key}", "Content-Type": "application/json"}


def tracked(requests: int) -> Iterator[bytes]:
    """Return request bodies for a thousand contacts in turn."""
    addresses = [_address() for _ in range(1000)]
    for number in range(requests):
        yield _body(addresses[number % 1000], number)


def for_one(address: str, requests: int) -> Iterator[bytes]:
    for number in range(requests):
        yield _body(address, number)


def _address() -> str:
    return f"{uuid4().hex}@example.com"


def _body(address: str, number: int) -> bytes:
    amount = {"value": number, "persistent": False}
    data = {"plan": "pro", "item": "An article with a name of usual length", "amount": amount}
    return json.dumps({"email": address, "event": "purchased", "data": data}).encode()


def _row(measured: Measured) -> tuple[str, str, str, str]:
    return f"{measured.rate:,.0f}", f"{measured.p50:.1f}", f"{measured.p99:.1f}", str(measured.errors)
