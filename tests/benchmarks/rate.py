"""How closely the rate that SES allows is kept, and used: by one, two and four senders, some of which are killed.

Measured where it counts, at the sandbox: the most mails that it took within any one second, wherever that begins.
"""

import asyncio
import os
import random
import signal
import tempfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
from rich.table import Table

from deploy.demo.api import Api, connect
from deploy.demo.screen import console
from deploy.demo.target import Target, stack
from deploy.embedded.ports import free_ports
from libs.runtime.testing import eventually
from tests.benchmarks.load import post
from tests.benchmarks.track import headers_of

REPLICAS = (1, 2, 4)
LIMITS = (14, 100)
SECONDS = 30.0
KILL_EVERY = 10.0
"""Seconds between two kills. With one sender, what is missing while it starts is the kill's and not the rate's."""
HEAD_START = 1.5
SEED = 1


class Fidelity(msgspec.Struct, frozen=True):
    """The most mails in any second, and the mails in all of the time as a share of what was allowed."""

    busiest: int
    used: float


async def main() -> None:
    table = Table(title=f"rate fidelity, a sender killed every {KILL_EVERY:.0f} s", title_justify="left")
    for column in ("limit/s", "senders", "busiest second", "share of the limit used"):
        table.add_column(column, justify="right")
    with tempfile.TemporaryDirectory(prefix="godwit-rate-") as data_dir:
        for replicas in REPLICAS:
            with _senders(data_dir, replicas) as target:
                for limit in LIMITS:
                    found = await measure(target, replicas, limit)
                    console.print(limit, replicas, found)
                    table.add_row(str(limit), str(replicas), str(found.busiest), f"{found.used:.1%}")
    console.print(table)


@contextmanager
def _senders(data_dir: str, replicas: int) -> Iterator[Target]:
    """A stack with so many senders; the data stays from one to the next."""
    http, sandbox = free_ports(2)
    os.environ |= {"GODWIT_DATA_DIR": data_dir, "GODWIT_HTTP_PORT": str(http), "GODWIT_SANDBOX_PORT": str(sandbox)}
    os.environ["GODWIT_REPLICAS_DELIVERY"] = str(replicas)
    with stack() as target:
        yield target


async def measure(target: Target, replicas: int, limit: int) -> Fidelity:
    async with connect(target) as api:
        await api.set_account(maxSendRate=limit)
        await asyncio.sleep(16)  # until every sender has asked SES again what it allows
        group = f"rate-{replicas}-{limit}"
        campaign = await _campaign(api, target, group, int(limit * (SECONDS + 10)))
        await api.post(f"/campaigns/{campaign['id']}/send", {})
        await eventually(lambda: _times(api, campaign["id"]), 30)
        killing = asyncio.create_task(_kill_now_and_then(target, replicas))
        await asyncio.sleep(SECONDS + HEAD_START)
        killing.cancel()
        times = await _times(api, campaign["id"])
        await api.post(f"/campaigns/{campaign['id']}/cancel", {})
    return fidelity(times, limit)


def fidelity(times: Sequence[float], limit: int) -> Fidelity:
    """Of what was taken from a moment after the beginning, for SECONDS."""
    begun = times[0] + HEAD_START
    steady = [moment for moment in times if begun <= moment < begun + SECONDS]
    busiest = max(bisect_left(times, moment + 1.0) - place for place, moment in enumerate(times))
    return Fidelity(busiest, len(steady) / (limit * SECONDS))


async def _kill_now_and_then(target: Target, replicas: int) -> None:
    chance = random.Random(SEED)
    while True:
        await asyncio.sleep(KILL_EVERY * chance.uniform(0.5, 1.5))
        os.kill(target.pid_of(f"delivery-{chance.randint(1, replicas)}"), signal.SIGKILL)


async def _campaign(api: Api, target: Target, group: str, people: int) -> dict[str, Any]:
    bodies = (
        f'{{"email":"reader.{number}.{group}@example.com","data":{{"group":"{group}"}}}}'.encode()
        for number in range(people)
    )
    await post(f"{target.endpoints.url}/contacts", headers_of(target), bodies, 32)
    filters = [{"field": "data.group", "operator": "equals", "value": group}]
    condition = {"logic": "AND", "groups": [{"filters": filters}]}
    segment = await api.post("/segments", {"name": group, "condition": condition})
    draft = {"name": group, "subject": "News", "body": "<p>News</p>", "from": "team@example.com"}
    audience = {"audienceType": "SEGMENT", "segmentId": segment["id"]}
    campaign: dict[str, Any] = await api.post("/campaigns", draft | audience)
    return campaign


async def _times(api: Api, campaign: str) -> list[float]:
    """When the sandbox took each mail of the campaign, in order."""
    answer = await api.sandbox_get("/sandbox/messages", limit=100_000, fields="acceptedAt,tags")
    mails = [mail for mail in answer["messages"] if mail["tags"].get("godwit_campaign") == campaign]
    return sorted(datetime.fromisoformat(mail["acceptedAt"]).timestamp() for mail in mails)


if __name__ == "__main__":
    asyncio.run(main())
