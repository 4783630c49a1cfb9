"""A campaign of 10,000 recipients: from the call to the last acceptance by SES."""

import time
from typing import Any

from rich.table import Table

from deploy.demo.api import Api, connect
from deploy.demo.target import Target
from libs.runtime.testing import eventually
from tests.benchmarks.load import post
from tests.benchmarks.track import headers_of, tracked

RECIPIENTS = 10_000
LIMIT = 300.0
BODY = "<p>Hello {{ email }}, here is what is new in {{ plan }}: <a href='https://example.com/news'>news</a></p>"


async def bench(target: Target, bare: str) -> Table:
    async with connect(target) as api:
        segment = await _audience(api, target)
        plain = await post(f"{bare}/track", headers_of(target), tracked(4000), 64)
        campaign = await api.post(
            "/campaigns",
            {
                "name": "Hand-off",
                "subject": "News for {{ plan }}",
                "body": BODY,
                "from": "team@example.com",
                "audienceType": "SEGMENT",
                "segmentId": segment["id"],
            },
        )
        seconds, stats = await _send(api, campaign["id"])
    rate = stats["sentCount"] / seconds
    table = Table(title="campaign hand-off", title_justify="left")
    for column in ("recipients", "seconds", "recipients/s", "bare/s", "share of bare"):
        table.add_column(column, justify="right")
    sent = f"{stats['sentCount']:,}"
    table.add_row(sent, f"{seconds:.1f}", f"{rate:,.0f}", f"{plain.rate:,.0f}", f"{rate / plain.rate:.3f}")
    return table


async def _audience(api: Api, target: Target) -> dict[str, Any]:
    """Ten thousand contacts of a plan that nobody else has, made through the API."""
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


async def _send(api: Api, campaign: str) -> tuple[float, dict[str, Any]]:
    """Seconds until the sandbox has accepted the last one."""
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
    return time.perf_counter() - started, await eventually(finished, LIMIT, every=0.5)
