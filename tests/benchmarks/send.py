"""POST /v1/send: how soon SES has the mail, and how many mails per second are accepted.

Throughput is measured twice: with an SES account without a relevant limit, where sending takes its part of the machine
at the same time; and with 14 mails per second, the limit of most new accounts.
"""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from statistics import quantiles

from rich.console import Group
from rich.table import Table

from deploy.demo.api import Api, connect
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.benchmarks import cpu
from tests.benchmarks.account import UNLIMITED, USUAL, allow
from tests.benchmarks.load import Measured, post
from tests.benchmarks.settled import until_consumed, until_told
from tests.benchmarks.track import headers_of, tracked

FEW, TIMED = 4, 1_000
MANY, COUNTED = 64, 6_000
LIMIT = 120.0
BEHAVIOUR = {"bounce": 0.02, "complaint": 0.002}
WORDS = "<p>Hello {{ firstName }}, here is your receipt for <a href='https://example.com/orders/7'>order 7</a>.</p>"


async def bench(target: Target, bare: str) -> Group:
    async with connect(target) as api:
        await allow(api, target, UNLIMITED)
        await api.sandbox_post(
            "/sandbox/behaviour", dict.fromkeys(BEHAVIOUR, 0.0)
        )  # recipients get several mails, so none may be suppressed
        await _sent(api, target, orders("reader", TIMED), MANY)  # from here on, all recipients are known contacts
        await until_told(api, target)
        timed = await _latencies(api, target)
        plain = await post(f"{bare}/track", headers_of(target), tracked(COUNTED), MANY)
        before = cpu.spent(target)
        at_once, seconds = await _sent(api, target, orders("reader", COUNTED), MANY)
        await until_told(api, target)
        everything = cpu.table_of("mail", COUNTED, before, cpu.spent(target))
        kept, taking_on = await _kept(api, target)
        await api.sandbox_post("/sandbox/behaviour", BEHAVIOUR)
        counted = _counted({"all": at_once, f"{USUAL:g}": kept}, plain)
        counted.caption = f"SES had those of the unlimited account at {COUNTED / seconds:,.0f} a second"
        return Group(_timed(timed), counted, taking_on, everything)


async def _kept(api: Api, target: Target) -> tuple[Measured, Table]:
    """Return what the requests took while few mails are sent, and the CPU time until all of them are queued and
    confirmed. Waits until the mails are sent, too.
    """
    await allow(api, target, USUAL)
    sent, before = (await api.sandbox_stats())["accepted"], cpu.spent(target)
    measured = await post(f"{target.endpoints.url}/v1/send", headers_of(target), orders("reader", COUNTED), MANY)
    await until_consumed(target)
    table = cpu.table_of("mail", COUNTED, before, cpu.spent(target))
    table.title = "CPU milliseconds for each mail until it is queued for good"
    await allow(api, target, UNLIMITED)
    await _until_accepted(api, sent + measured.requests - measured.errors)
    await until_told(api, target)
    return measured, table


async def _latencies(api: Api, target: Target) -> list[float]:
    """Return the milliseconds from each request to the acceptance of its mail by the sandbox."""
    await api.sandbox_delete("/sandbox/messages")
    begun: dict[str, float] = {}
    await _sent(api, target, _noted(orders("reader", TIMED), begun), FEW)
    answer = await api.sandbox_get("/sandbox/messages", limit=100_000, fields="acceptedAt,to")
    accepted = {mail["to"][0]: datetime.fromisoformat(mail["acceptedAt"]).timestamp() for mail in answer["messages"]}
    return [(accepted[address] - at) * 1000 for address, at in begun.items()]


async def _sent(api: Api, target: Target, bodies: Iterator[bytes], connections: int) -> tuple[Measured, float]:
    """Return what the requests took, and the seconds until the sandbox accepted the last mail."""
    before = (await api.sandbox_stats())["accepted"]
    started = time.perf_counter()
    measured = await post(f"{target.endpoints.url}/v1/send", headers_of(target), bodies, connections)
    await _until_accepted(api, before + measured.requests - measured.errors)
    return measured, time.perf_counter() - started


async def _until_accepted(api: Api, mails: int) -> None:
    """Wait until the sandbox has accepted this many mails."""

    async def all_accepted() -> bool:
        return bool((await api.sandbox_stats())["accepted"] >= mails)

    await eventually(all_accepted, LIMIT, every=0.2)


def orders(name: str, requests: int) -> Iterator[bytes]:
    """Return request bodies to a thousand readers in turn."""
    for number in range(requests):
        address = f"{name}.{number % TIMED}@example.com"
        mail = {"to": address, "subject": "Your receipt", "body": WORDS, "from": "shop@example.com"}
        yield json.dumps(
            mail | {"data": {"firstName": "Ada", "order": {"value": number, "persistent": False}}}
        ).encode()


def _noted(bodies: Iterator[bytes], begun: dict[str, float]) -> Iterator[bytes]:
    """Record when each request starts: a connection asks for the next body just before it sends it."""
    for body in bodies:
        begun[json.loads(body)["to"]] = time.time()
        yield body


def _timed(latencies: list[float]) -> Table:
    table = Table(title=f"POST /v1/send to acceptance by SES, {FEW} connections", title_justify="left")
    for column in ("mails", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(column, justify="right")
    cuts = quantiles(latencies, n=100)
    table.add_row(f"{len(latencies):,}", *(f"{cuts[place - 1]:.1f}" for place in (50, 95, 99)))
    return table


def _counted(runs: dict[str, Measured], plain: Measured) -> Table:
    table = Table(title=f"POST /v1/send, {MANY} connections", title_justify="left")
    for column in (
        "SES/s",
        "requests",
        "accepted/s",
        "p50 ms",
        "p99 ms",
        "errors",
        "bare/s",
        "share of bare",
    ):
        table.add_column(column, justify="right")
    for account, measured in runs.items():
        latency = f"{measured.p50:.1f}", f"{measured.p99:.1f}", str(measured.errors)
        beside = f"{plain.rate:,.0f}", f"{measured.rate / plain.rate:.2f}"
        table.add_row(account, f"{measured.requests:,}", f"{measured.rate:,.0f}", *latency, *beside)
    return table
