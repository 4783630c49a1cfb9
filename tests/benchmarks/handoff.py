"""A campaign of 10,000 recipients, from the call to the last acceptance by SES, next to an empty loop of its client.

The loop submits one rendered mail as many times. It is measured twice: with a sandbox that sends no notifications, and
with one that does, as during the campaign: signing notifications costs more than accepting mails.
"""

import time
from typing import Any

from rich.console import Group
from rich.table import Table

from deploy.demo.api import Api, connect
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from libs.schemas.delivery.content import Content
from tests.benchmarks import cpu
from tests.benchmarks.account import UNLIMITED, allow
from tests.benchmarks.client_loop import loop_rate
from tests.benchmarks.load import post
from tests.benchmarks.settled import until_consumed, until_told
from tests.benchmarks.track import headers_of, tracked

RECIPIENTS = 10_000
LIMIT = 300.0
SUBJECT = "News for {{ plan }}"
BODY = "<p>Hello {{ email }}, here is what is new in {{ plan }}: <a href='https://example.com/news'>news</a></p>"
SENDER = "team@example.com"


async def bench(target: Target, bare: str) -> Group:
    async with connect(target) as api:
        await allow(api, target, UNLIMITED)
        segment = await _audience(api, target)
        plain = await post(f"{bare}/track", headers_of(target), tracked(4000), 64)
        quiet, telling = await _loops(api, target)
        before, started = cpu.spent(target), time.perf_counter()
        seconds, sent = await _send(api, await _campaign(api, segment["id"]))
        await until_told(api, target)
        everything = time.perf_counter() - started
        table = _table(sent, seconds, {"bare POST": plain.rate, "client loop": quiet, "and telling": telling})
        table.caption = f"all that SES tells of them was told and dealt with after {everything:.1f} s"
        return Group(table, cpu.table_of("recipient", sent, before, cpu.spent(target)))


def _table(sent: int, seconds: float, others: dict[str, float]) -> Table:
    table = Table(title="campaign hand-off", title_justify="left")
    for column in ("recipients", "seconds", "recipients/s", *(f"{name}/s" for name in others)):
        table.add_column(column, justify="right")
    rate = sent / seconds
    table.add_row(f"{sent:,}", f"{seconds:.1f}", f"{rate:,.0f}", *(f"{each:,.0f}" for each in others.values()))
    table.add_row("", "", "share of it", *(f"{rate / each:.2f}" for each in others.values()))
    return table


async def _loops(api: Api, target: Target) -> tuple[float, float]:
    """Return the mails per second of the client alone, with a sandbox that sends no notifications and one that does."""
    content = Content(subject=SUBJECT, body=BODY, from_email=SENDER)
    await until_consumed(target)
    await api.sandbox_post("/sandbox/notifications", {"mode": "paused"})
    quiet = await loop_rate(target, content, RECIPIENTS)
    await api.sandbox_delete("/sandbox/messages")
    await api.sandbox_post("/sandbox/notifications", {"mode": "on"})
    telling = await loop_rate(target, content, RECIPIENTS)
    await api.sandbox_delete("/sandbox/messages")
    await until_told(api, target)
    return quiet, telling


async def _audience(api: Api, target: Target) -> dict[str, Any]:
    """Create ten thousand contacts with a plan of their own through the API."""
    plan = f"bench-{time.time_ns()}"
    bodies = (
        f'{{"email":"reader.{number}.{plan}@example.com","data":{{"plan":"{plan}"}}}}'.encode()
        for number in range(RECIPIENTS)
    )
    await post(f"{target.endpoints.url}/contacts", headers_of(target), bodies, 64)
    filters = [{"field": "data.plan", "operator": "equals", "value": plan}]
    condition = {"logic": "AND", "groups": [{"filters": filters}]}
    segment: dict[str, Any] = await api.post("/segments", {"name": plan, "condition": condition})
    return segment


async def _campaign(api: Api, segment: str) -> str:
    words = {"name": "Hand-off", "subject": SUBJECT, "body": BODY, "from": SENDER}
    campaign = await api.post("/campaigns", words | {"audienceType": "SEGMENT", "segmentId": segment})
    return str(campaign["id"])


async def _send(api: Api, campaign: str) -> tuple[float, int]:
    """Return the seconds until the sandbox accepted the last mail, and how many it accepted."""
    before = (await api.sandbox_stats())["accepted"]
    started = time.perf_counter()
    await api.post(f"/campaigns/{campaign}/send", {})

    async def all_accepted() -> bool:
        accepted: int = (await api.sandbox_stats())["accepted"]
        return bool(accepted - before >= RECIPIENTS)

    async def finished() -> dict[str, Any] | None:
        stats = await api.get(f"/campaigns/{campaign}/stats")
        return stats if stats["status"] == "SENT" else None

    await eventually(all_accepted, LIMIT, every=0.25)
    seconds = time.perf_counter() - started
    return seconds, (await eventually(finished, LIMIT, every=0.5))["sentCount"]
