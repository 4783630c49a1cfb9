"""A contacts service in a process of its own that is there at once: forked from one that has imported everything."""

import asyncio
import os
from collections.abc import Mapping
from multiprocessing import get_context

from libs.runtime.process.lifecycle import run
from libs.runtime.process.settings import Settings
from services.contacts.app import build

_forks = get_context("forkserver")
_forks.set_forkserver_preload([__name__])


async def die_at(crash: str, config: Settings, within: float) -> int | None:
    """Run the service until it dies at this point; answers its exit code. None if it lives for longer than it may."""
    environment = {
        "DATABASE_URL": config.database_url,
        "NATS_URL": config.nats_url,
        "GODWIT_CRASH_AT": crash,
        "GODWIT_LOG_LEVEL": "error",
    }
    process = _forks.Process(target=_live, args=(environment,), daemon=True)
    process.start()
    try:
        await asyncio.to_thread(process.join, within)
        return process.exitcode
    finally:
        process.kill()


def _live(environment: Mapping[str, str]) -> None:
    os.environ |= environment
    run(build)
