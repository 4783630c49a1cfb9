"""Ends a process whose event loop stands still, so that whoever supervises it starts another.

A loop that is stuck in one call answers nobody, not even the signal that asks it to stop. The watchdog is the timer of
`faulthandler`, a thread without Python in it: it also sees a loop that is stuck in C code, such as a pattern that
backtracks. It writes where every thread stands, by file and line without any values, and exits.
"""

import asyncio
import faulthandler
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

BEAT_SECONDS = 1.0


@asynccontextmanager
async def watched(seconds: float) -> AsyncIterator[None]:
    """End the process with code 1 if its loop does not turn for so many seconds during the block. 0: never."""
    if not seconds:
        yield
        return
    beating = asyncio.create_task(_beat(seconds))
    try:
        yield
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating


async def _beat(seconds: float) -> None:
    try:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True)
            await asyncio.sleep(BEAT_SECONDS)
    finally:
        faulthandler.cancel_dump_traceback_later()
