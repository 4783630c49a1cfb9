"""Wait until a stack is quiet: nothing left to publish, to handle, to send or to notify."""

import asyncio
import time

import asyncpg
import httpx
from nats.errors import Error as NatsError

from deploy.demo.api import RequestFailed
from deploy.provisioning.streams import consumers_of
from deploy.services import SERVICES, declared_services
from tests.faults.rig import Rig

QUIET_WITHIN = 240.0
"""Seconds that the stack gets to recover by itself: taking longer is a failure (I9)."""

OPEN = (
    "select state, count(*) as mails from delivery.email where state in ('queued', 'claimed', 'unknown') group by state"
)
UNPUBLISHED = " union all ".join(
    f"select '{name}' as service, coalesce(sum(events), 0) as events from {name}.outbox" for name in SERVICES
)
DUE = " union all ".join(
    f"select '{name}' as service, count(*) as timers from {name}.timers where due_at < now() + interval '9 s'"
    for name in SERVICES
)
RUNNING = "select count(*) from campaigns.campaign where status in ('QUEUED', 'SENDING')"
UNREACHABLE = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    NatsError,
    httpx.TransportError,
    RequestFailed,
    TimeoutError,
)


async def quiet(rig: Rig, within: float = QUIET_WITHIN) -> float:
    """Wait until everything is quiet, and return the seconds it took. Fail with what is busy after `within` seconds."""
    began = time.monotonic()
    while busy := await _busy(rig):
        if time.monotonic() - began > within:
            raise AssertionError(f"I9: not healed within {within:.0f} s: {'; '.join(busy)}")
        await asyncio.sleep(0.5)
    return time.monotonic() - began


async def _busy(rig: Rig) -> list[str]:
    try:
        return [*await _database(rig), *await _bus(rig), *await _sandbox(rig)]
    except UNREACHABLE as error:
        return [repr(error)]


async def _database(rig: Rig) -> list[str]:
    async with rig.database() as conn:
        mails = [f"{row['mails']} mails are {row['state']}" for row in await conn.fetch(OPEN)]
        unpublished = [f"{r['events']} events of {r['service']}" for r in await conn.fetch(UNPUBLISHED) if r["events"]]
        due = [f"{row['timers']} timers of {row['service']}" for row in await conn.fetch(DUE) if row["timers"]]
        running = await conn.fetchval(RUNNING)
    return [*mails, *unpublished, *due, *([f"{running} campaigns are not SENT"] if running else [])]


async def _bus(rig: Rig) -> list[str]:
    waiting: list[str] = []
    async with rig.bus() as client:
        js = client.jetstream(timeout=5)
        for service in declared_services():
            for stream, consumer in consumers_of(service):
                info = await js.consumer_info(stream, consumer.durable_name or "")
                if left := (info.num_pending or 0) + (info.num_ack_pending or 0):
                    waiting.append(f"{left} messages for {consumer.durable_name}")
        dead = (await js.stream_info("DEAD")).state.messages
    return [*waiting, *([f"{dead} messages are in the dead-letter stream"] if dead else [])]


async def _sandbox(rig: Rig) -> list[str]:
    told = (await rig.api.sandbox_stats())["notifications"]
    return [f"{told['pending']} notifications"] if told["pending"] else []
