"""A noisy neighbour: one project has 300,000 mails in the queue while another sends 50 transactional ones.

Measured from the first call of `/v1/send` until SES (the sandbox) has accepted the last mail. At 14 mails per second,
the 50 alone take three and a half seconds; at the stack's own rate only the queue could delay them.
"""

import asyncio
import time
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

import asyncpg
import msgspec
from rich.table import Table

from deploy.demo.api import Api, connect
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.benchmarks import crowd
from tests.benchmarks.account import USUAL, allow

QUEUED = 300_000
MAILS = 50
LIMIT = 120.0
LEDGER = "select id, created_at, claimed_at from email where id = any($1::uuid[])"
SENDER = {"from": f"team@{crowd.DOMAIN}"}


class Waited(msgspec.Struct, frozen=True):
    """Seconds from the first call until the last mail was accepted, and the longest waits within them: for a response,
    for a claim, and from a claim to acceptance.
    """

    last: float
    answered: float
    claimed: float
    accepted: float


async def bench(target: Target, bare: str) -> Table:
    table = Table(title=f"noisy neighbour: {QUEUED:,} queued, {MAILS} of another project", title_justify="left")
    for column in ("limit/s", "all out within, s", "a call, s", "in the queue, s", "on its way, s"):
        table.add_column(column, justify="right")
    async with connect(target) as api:
        usual = float((await api.sandbox_get("/sandbox/account"))["maxSendRate"])
        conn = await asyncpg.connect(target.endpoints.admin_database_url, timeout=10)
        try:
            await conn.execute("set search_path = delivery")
            noisy = uuid4()
            await allow(api, target, USUAL)
            campaign = await crowd.gather(conn, noisy, QUEUED)
            for rate in (USUAL, usual):
                await allow(api, target, rate)
                found = await _measure(api, conn)
                table.add_row(f"{rate:g}", *(f"{seconds:.2f}" for seconds in msgspec.structs.astuple(found)))
            await crowd.scatter(conn, noisy, campaign)
        finally:
            await conn.close(timeout=5)
    return table


async def _measure(api: Api, conn: "asyncpg.Connection[asyncpg.Record]") -> Waited:
    before = await _accepted(api)

    async def busy() -> bool:
        return await _accepted(api) > before

    await eventually(busy, LIMIT)
    begun = time.time()
    calls = await asyncio.gather(*(_send(api) for _ in range(MAILS)))
    times = {email: await eventually(partial(_time_of, api, email), LIMIT, every=0.1) for email, _ in calls}
    rows = await conn.fetch(LEDGER, [UUID(email) for email in times])
    return Waited(
        last=max(times.values()) - begun,
        answered=max(seconds for _, seconds in calls),
        claimed=max((row["claimed_at"] - row["created_at"]).total_seconds() for row in rows),
        accepted=max(times[str(row["id"])] - row["claimed_at"].timestamp() for row in rows),
    )


async def _send(api: Api) -> tuple[str, float]:
    """Send a mail, and return it with the seconds until it was queued durably."""
    called = time.monotonic()
    mail = {"to": f"quiet.{uuid4().hex}@example.net", "subject": "Your code", "body": "<p>1234</p>", **SENDER}
    sent = await api.post("/v1/send", mail)
    return sent["emails"][0]["email"], time.monotonic() - called


async def _time_of(api: Api, email: str) -> float | None:
    """Return when the mail was accepted, or None if it has not been yet."""
    found = (await api.sandbox_get("/sandbox/messages", emailId=email, fields="acceptedAt"))["messages"]
    return datetime.fromisoformat(found[0]["acceptedAt"]).timestamp() if found else None


async def _accepted(api: Api) -> int:
    accepted: int = (await api.sandbox_stats())["accepted"]
    return accepted
