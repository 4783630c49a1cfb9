"""The fan-out of a campaign: recipients resolved and queued per second, and the cost of reading its statistics.

Nothing is sent during the measurement: the account's rate is so low that SES is hardly called. The cost of a recipient
is the CPU time of the three services; wall time says little on a shared machine.

`BENCH_RECIPIENTS=10000,100000` measures other sizes, to compare the cost of a recipient in small and large campaigns.
"""

import asyncio
import itertools
import os
import time
from statistics import quantiles
from uuid import UUID

import asyncpg
import msgspec
from rich.table import Table

from deploy.demo.api import Api, connect
from deploy.demo.memory import proportional_megabytes
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.benchmarks.cpu import spent
from tests.benchmarks.load import post
from tests.benchmarks.track import headers_of

SIZES = [int(size) for size in os.environ.get("BENCH_RECIPIENTS", "2000,10000").split(",")]
SERVICES = ("contacts", "delivery", "campaigns")
LIMIT = 600.0
AT_ONCE = 5_000
SENDER = "team@example.com"


class Run(msgspec.Struct, frozen=True):
    """The result for one size: seconds until all were resolved and queued, CPU seconds of the services, peak memory and
    its growth, and the milliseconds that each request for the statistics took.
    """

    recipients: int
    seconds: float
    cpu: float
    megabytes: int
    grown: int
    stats_p95: float


async def bench(target: Target, bare: str) -> Table:
    table = Table(title="campaign fan-out", title_justify="left")
    columns = (
        "recipients",
        "queued/s",
        "CPU µs/recipient",
        "against the smallest",
        "peak MB",
        "grew by MB",
        "stats p95 ms",
    )
    for column in columns:
        table.add_column(column, justify="right")
    async with connect(target) as api:
        account = await api.sandbox_get("/sandbox/account")
        await api.set_account(maxSendRate=1)
        try:
            runs = [await _run(api, target, size) for size in SIZES]
        finally:
            await api.set_account(maxSendRate=account["maxSendRate"])
    least = runs[0].cpu / runs[0].recipients
    for run in runs:
        each = run.cpu / run.recipients
        table.add_row(
            f"{run.recipients:,}",
            f"{run.recipients / run.seconds:,.0f}",
            f"{each * 1e6:,.0f}",
            f"{each / least:.2f}",
            f"{run.megabytes:,}",
            f"{run.grown:,}",
            f"{run.stats_p95:.1f}",
        )
    return table


async def _run(api: Api, target: Target, recipients: int) -> Run:
    campaign = await _campaign(api, target, recipients)
    before, watched = _cpu(target), Watched()
    held = proportional_megabytes(target.layout)
    began = time.perf_counter()
    await api.post(f"/campaigns/{campaign}/send", {})
    watching = asyncio.create_task(_watch(api, target, campaign, watched))
    await _all_queued(target, campaign, recipients)
    seconds = time.perf_counter() - began
    watching.cancel()
    cpu = _cpu(target) - before
    await api.post(f"/campaigns/{campaign}/cancel", {})
    p95 = quantiles(watched.milliseconds, n=20)[-1] if len(watched.milliseconds) > 1 else 0.0
    peak = max(watched.megabytes, default=held)
    return Run(recipients, seconds, cpu, peak, peak - held, p95)


async def _campaign(api: Api, target: Target, recipients: int) -> str:
    """Create a campaign to this many new contacts."""
    plan = f"bench-{time.time_ns()}"
    bodies = (
        f'{{"email":"reader.{number}.{plan}@example.com","data":{{"plan":"{plan}"}}}}'.encode()
        for number in range(recipients)
    )
    while some := list(itertools.islice(bodies, AT_ONCE)):
        await post(f"{target.endpoints.url}/contacts", headers_of(target), iter(some), 64)
    filters = [{"field": "data.plan", "operator": "equals", "value": plan}]
    campaign = await api.post(
        "/campaigns",
        {
            "name": plan,
            "subject": "News for {{ plan }}",
            "content": "Hello {{ email }}, [here it is](https://example.com/news).",
            "from": SENDER,
            "audienceType": "FILTERED",
            "audienceCondition": {"logic": "AND", "groups": [{"filters": filters}]},
        },
    )
    return str(campaign["id"])


class Watched(msgspec.Struct):
    milliseconds: list[float] = []
    megabytes: list[int] = []


async def _watch(api: Api, target: Target, campaign: str, watched: Watched) -> None:
    """Request the statistics ten times a second, and sample the memory."""
    for turn in itertools.count():
        began = time.perf_counter()
        await api.get(f"/campaigns/{campaign}/stats")
        watched.milliseconds.append((time.perf_counter() - began) * 1000)
        if turn % 20 == 0:
            watched.megabytes.append(await asyncio.to_thread(proportional_megabytes, target.layout))
        await asyncio.sleep(0.1)


async def _all_queued(target: Target, campaign: str, recipients: int) -> None:
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    try:

        async def queued() -> bool:
            count = await conn.fetchval("select count(*) from delivery.email where campaign_id = $1", UUID(campaign))
            return bool(count >= recipients)

        await eventually(queued, LIMIT, every=0.25)
    finally:
        await conn.close()


def _cpu(target: Target) -> float:
    return sum(seconds for part, seconds in spent(target).items() if any(name in part for name in SERVICES))
