"""POST /contacts/import of a file, until its last row is a contact, next to COPY of the same rows.

`BENCH_ROWS` sets how many rows (100,000). They are imported twice: alone, and as other contacts while events are
tracked one after the other, which an import must not delay.
"""

import asyncio
import csv
import io
import json
import os
import time
from collections.abc import Iterator

import asyncpg
import httpx
import psutil
from rich.table import Table

from deploy.demo.target import Target
from tests.benchmarks.cpu import spent
from tests.benchmarks.load import Measured, post
from tests.benchmarks.settled import until_consumed
from tests.benchmarks.track import for_one, headers_of

ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
LIMIT_SECONDS = 600.0
POLL_SECONDS = 0.1
ADDRESS = "bystander@example.com"

TABLE = "create temp table plain (email text, first_name text, plan text, seats int, active boolean)"


async def bench(target: Target, bare: str) -> Table:
    table = Table(title=f"Import of {ROWS:,} rows", title_justify="left")
    for column in ("", "rows/s", "seconds", "CPU s: contacts", "its Postgres", "everything", "grew by MB"):
        table.add_column(column, justify="right")
    for column in ("track p50 ms", "p99 ms"):
        table.add_column(column, justify="right")
    idle, copied = await _track(target, 500), await _copy(target, _csv("bench"))
    table.add_row("COPY", f"{ROWS / copied:,.0f}", f"{copied:.2f}", *[""] * 4, *_latency(idle))
    table.add_row("import", *await _import(target, _csv("alone")))
    await until_consumed(target)
    importing = asyncio.create_task(_import(target, _csv("beside")))
    beside = await _track_until(target, importing)
    table.add_row("+ track", *await importing, *_latency(beside))
    return table


async def _import(target: Target, text: str) -> list[str]:
    before, memory = spent(target), _memory(target)
    started = time.perf_counter()
    peak = await _until_imported(target, text)
    seconds, after = time.perf_counter() - started, spent(target)
    return [
        f"{ROWS / seconds:,.0f}",
        f"{seconds:.2f}",
        *(f"{after[part] - before[part]:.1f}" for part in ("contacts-1", "postgres: contacts")),
        f"{sum(after.values()) - sum(before.values()):.1f}",
        f"{(peak - memory) / 2**20:.0f}",
    ]


async def _until_imported(target: Target, text: str) -> int:
    """Wait for the import, and return the peak memory of the contacts service. Fail if a row is missing."""
    headers = {"Authorization": f"Bearer {target.secret_key}"}
    peak = 0
    async with httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, timeout=120) as api:
        accepted = await api.post("/contacts/import", files={"file": ("bench.csv", text.encode())})
        job_id = accepted.json()["jobId"]
        deadline = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < deadline:
            job = (await api.get(f"/contacts/import/{job_id}")).json()
            peak = max(peak, _memory(target))
            if job["result"]:
                assert job["result"]["createdCount"] == ROWS, job
                return peak
            await asyncio.sleep(POLL_SECONDS)
    raise TimeoutError(f"the import was not done after {LIMIT_SECONDS} s")


async def _track(target: Target, requests: int) -> Measured:
    return await post(f"{target.endpoints.url}/v1/track", headers_of(target), for_one(ADDRESS, requests), 1)


async def _track_until(target: Target, importing: "asyncio.Task[list[str]]") -> Measured:
    """Track one event after the other during the import."""

    def bodies() -> Iterator[bytes]:
        while not importing.done():
            yield json.dumps({"email": ADDRESS, "event": "purchased"}).encode()

    return await post(f"{target.endpoints.url}/v1/track", headers_of(target), bodies(), 1)


async def _copy(target: Target, text: str) -> float:
    """Return the seconds that Postgres takes for the rows alone."""
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    try:
        await conn.execute(TABLE)
        started = time.perf_counter()
        await conn.copy_to_table("plain", source=io.BytesIO(text.encode()), format="csv", header=True)
        return time.perf_counter() - started
    finally:
        await conn.close()


def _latency(measured: Measured) -> list[str]:
    return [f"{measured.p50:.1f}", f"{measured.p99:.1f}"]


def _csv(name: str) -> str:
    """Return rows of contacts that no other file contains."""
    written = io.StringIO()
    rows = csv.writer(written)
    rows.writerow(["email", "firstName", "plan", "seats", "active"])
    rows.writerows([f"{name}{n}@example.com", f"Name {n}", "pro", n % 90, "true"] for n in range(ROWS))
    return written.getvalue()


def _memory(target: Target) -> int:
    """Return the memory of the contacts service in bytes."""
    return int(psutil.Process(target.pid_of("contacts-1")).memory_info().rss)
