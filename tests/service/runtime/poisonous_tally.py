"""A tally in a process of its own, which some messages end or bring to a standstill."""

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from typing import Any

from msgspec.structs import replace

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.runtime.process import timers
from libs.runtime.process.lifecycle import run
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from tests.service.runtime.tally_service import Add, AddLater, Noticed, add, add_later, on_noticed
from tests.service.runtime.tally_service import build as build_tally

KILLS, STALLS = "kills", "stalls"
"""What keys of poisonous messages begin with."""
LEASE_SECONDS = 1
STALL_SECONDS = 2.0

_forks = get_context("forkserver")
_forks.set_forkserver_preload([__name__])


class Tallies:
    """Restarts the process whenever it ends, like a supervisor, until the block is left. `deaths` counts the ends."""

    def __init__(self, config: Settings) -> None:
        self._environment = {
            "DATABASE_URL": config.database_url,
            "NATS_URL": config.nats_url,
            "GODWIT_RETRY_DELAYS": config.retry_delays,
            "GODWIT_RESTORE_GUARD": "false",
            "GODWIT_LOG_LEVEL": "error",
            "GODWIT_STALL_SECONDS": str(STALL_SECONDS),
        }
        self.deaths = 0
        self._process: Any = None

    async def __aenter__(self) -> "Tallies":
        self._keeping = asyncio.create_task(self._keep_running())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._keeping.cancel()
        self._process.kill()

    async def _keep_running(self) -> None:
        while True:
            self._process = _forks.Process(target=_run, args=(self._environment,), daemon=True)
            self._process.start()
            await asyncio.to_thread(self._process.join)
            self.deaths += 1


def _run(environment: Mapping[str, str]) -> None:
    os.environ |= environment
    timers.LEASE_SECONDS = LEASE_SECONDS
    run(build)


def build(settings: Settings) -> Service:
    return replace(
        build_tally(settings),
        commands={Add: poisonous(add)},
        reactions={Noticed: poisonous(on_noticed)},
        timers={AddLater: poisonous(add_later)},
    )


def poisonous(handler: Any) -> Any:
    async def handle(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Any:
        for envelope in envelopes:
            message = envelope.message
            if getattr(message, "again_in", None) is not None:
                continue  # only its timer is poison
            if message.key.startswith(KILLS):
                os._exit(9)
            if message.key.startswith(STALLS):
                time.sleep(1000)  # noqa: ASYNC251 - the loop has to stand still
        return await handler(unit, envelopes)

    return handle
