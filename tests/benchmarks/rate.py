"""How closely the rate that SES allows is kept and used by one, two and four senders that are restarted at random.

Half of the restarts are rollouts (SIGTERM), half are crashes (SIGKILL). Measured at the sandbox, where it counts: the
maximum number of mails accepted within any one second. A permit is out for a second plus the duration of a call
(ADR 12), so a busy machine uses less of the limit: the share that the run's calls leave is printed next to it. With a
single sender, the time of its restarts does not count as allowed: nobody could have sent.
"""

import asyncio
import os
import random
import re
import signal
import tempfile
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from itertools import pairwise
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
from rich.table import Table

from deploy.demo.api import Api, connect
from deploy.demo.screen import console
from deploy.demo.target import Target, stack
from deploy.embedded.ports import free_ports
from libs.runtime.process.testing import eventually
from tests.benchmarks import crowd
from tests.benchmarks.account import allow
from tests.environment import environment

REPLICAS = (1, 2, 4)
LIMITS = (14, 100)
SECONDS = 45.0
MIN_INTERVAL, MAX_INTERVAL = 8.0, 15.0
"""Seconds between two restarts."""
MAX_PAUSE = 6.0
"""Seconds within which a restarted sender sends again."""
HEAD_START = 2.0
SEED = 1
COLUMNS = (
    "limit/s",
    "senders",
    "rollouts, crashes",
    "busiest second",
    "refused as too fast",
    "used",
    "call, ms",
    "what that leaves",
    "used of that",
)
CALL = re.compile(r"^godwit_ses_call_seconds_(sum|count) (\S+)$", re.MULTILINE)


class Bench(msgspec.Struct, frozen=True):
    """A stack, its API client, and a connection to delivery's tables."""

    target: Target
    api: Api
    conn: "asyncpg.Connection[asyncpg.Record]"
    replicas: int


class Fidelity(msgspec.Struct, frozen=True, kw_only=True):
    """`used` is the share of what was allowed while a sender was running; `possible` the share that calls of `call`
    seconds leave.
    """

    rollouts: int
    crashes: int
    busiest: int
    refused: int
    used: float
    call: float

    @property
    def possible(self) -> float:
        return 1 / (1 + self.call)


async def main() -> None:
    every = f"every {MIN_INTERVAL:.0f} to {MAX_INTERVAL:.0f} s, by SIGTERM or SIGKILL"
    table = Table(title=f"rate fidelity over {SECONDS:.0f} s, a sender restarted {every}", title_justify="left")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="godwit-rate-") as data_dir:
        for replicas in REPLICAS:
            async with _senders(data_dir, replicas) as bench:
                for limit in LIMITS:
                    with console.status(f"{limit}/s, {replicas} senders"):
                        found = await measure(bench, limit)
                    console.print(f"{limit}/s, {replicas} senders:", *_cells(found))
                    table.add_row(str(limit), str(replicas), *_cells(found))
    console.print(table)


def _cells(found: Fidelity) -> list[str]:
    shares = f"{found.possible:.1%}", f"{found.used / found.possible:.1%}"
    whole = f"{found.rollouts}, {found.crashes}", str(found.busiest), str(found.refused)
    return [*whole, f"{found.used:.1%}", f"{found.call * 1000:.0f}", *shares]


@asynccontextmanager
async def _senders(data_dir: str, replicas: int) -> AsyncIterator[Bench]:
    """Run a stack with this many senders; the data stays from one to the next."""
    http, sandbox = free_ports(2)
    own = {"GODWIT_DATA_DIR": data_dir, "GODWIT_HTTP_PORT": str(http), "GODWIT_SANDBOX_PORT": str(sandbox)}
    with environment(own | {"GODWIT_REPLICAS_DELIVERY": str(replicas)}), stack() as target:
        async with connect(target) as api:
            conn = await asyncpg.connect(target.endpoints.admin_database_url, timeout=10)
            try:
                await conn.execute("set search_path = delivery")
                yield Bench(target, api, conn, replicas)
            finally:
                await conn.close(timeout=5)


async def measure(bench: Bench, limit: int) -> Fidelity:
    await allow(bench.api, bench.target, limit)
    refused = await _refused(bench)
    project = uuid4()
    campaign = await crowd.gather(bench.conn, project, int(limit * (SECONDS + 15)))
    begun = (await eventually(lambda: _times(bench.api, campaign), 30))[0] + HEAD_START
    restarts = await _restart_now_and_then(bench, HEAD_START + SECONDS)
    call = await _call_seconds(bench)
    times = await _times(bench.api, campaign)
    await crowd.scatter(bench.conn, project, campaign)
    idle = sum(_idle(times, moment) for moment, _ in restarts) if bench.replicas == 1 else 0.0
    busiest = max(bisect_left(times, moment + 1.0) - place for place, moment in enumerate(times))
    return Fidelity(
        rollouts=sum(how == signal.SIGTERM for _, how in restarts),
        crashes=sum(how == signal.SIGKILL for _, how in restarts),
        busiest=busiest,
        refused=await _refused(bench) - refused,
        used=sum(begun <= moment < begun + SECONDS for moment in times) / (limit * (SECONDS - idle)),
        call=call,
    )


async def _restart_now_and_then(bench: Bench, seconds: float) -> list[tuple[float, signal.Signals]]:
    """Stop or kill a sender now and then, and return when. The supervisor restarts it."""
    chance, restarts = random.Random(SEED), []
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.sleep(HEAD_START)
            while True:
                await asyncio.sleep(chance.uniform(MIN_INTERVAL, MAX_INTERVAL))
                how = chance.choice((signal.SIGTERM, signal.SIGKILL))
                os.kill(bench.target.pid_of(f"delivery-{chance.randint(1, bench.replicas)}"), how)
                restarts.append((datetime.now().timestamp(), how))
    return restarts


def _idle(times: Sequence[float], restart: float) -> float:
    """Return the seconds' worth of permits that a restart leaves unused: within its first second they come back one by
    one and wait, after that all of them do.
    """
    following = [restart, *(moment for moment in times if restart < moment < restart + MAX_PAUSE)]
    pause = max((later - sooner for sooner, later in pairwise(following)), default=0.0)
    first = min(pause, 1.0)
    return first**2 / 2 + (pause - first)


async def _call_seconds(bench: Bench) -> float:
    """Return the mean duration of the calls of the running senders, from when each could start."""
    total = {"sum": 0.0, "count": 0.0}
    async with httpx.AsyncClient(timeout=5) as client:
        for name, port in bench.target.endpoints.health_ports.items():
            if name.startswith("delivery-"):
                metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
                for part, value in CALL.findall(metrics):
                    total[part] += float(value)
    return total["sum"] / max(1.0, total["count"])


async def _refused(bench: Bench) -> int:
    refused: int = (await bench.api.sandbox_stats())["throttled"]
    return refused


async def _times(api: Api, campaign: UUID) -> list[float]:
    """Return when the sandbox accepted each mail of the campaign, in order."""
    answer = await api.sandbox_get("/sandbox/messages", limit=100_000, fields="acceptedAt,tags")
    mails = [mail for mail in answer["messages"] if mail["tags"].get("godwit_campaign") == str(campaign)]
    return sorted(datetime.fromisoformat(mail["acceptedAt"]).timestamp() for mail in mails)


if __name__ == "__main__":
    asyncio.run(main())
