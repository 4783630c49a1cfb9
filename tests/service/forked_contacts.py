"""A contacts service in a separate process that starts at once: it is forked from one with all modules imported."""

import asyncio
import os
from collections.abc import Mapping
from multiprocessing import get_context

from libs.runtime.process.lifecycle import run
from libs.runtime.process.settings import Settings
from services.contacts.app import build

_forks = get_context("forkserver")
_forks.set_forkserver_preload([__name__])


async def run_until_crash(crash: str, config: Settings, within: float) -> int | None:
    """Run the service until it crashes at this point. Return its exit code, or None if it does not crash in time."""
    environment = {
        "DATABASE_URL": config.database_url,
        "NATS_URL": config.nats_url,
        "GODWIT_CRASH_AT": crash,
        "GODWIT_LOG_LEVEL": "error",
    }
    process = _forks.Process(target=_run, args=(environment,), daemon=True)
    process.start()
    try:
        await asyncio.to_thread(process.join, within)
        return process.exitcode
    finally:
        process.kill()


def _run(environment: Mapping[str, str]) -> None:
    os.environ |= environment
    run(build)
