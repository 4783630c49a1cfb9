"""Waiting, but not for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def soft_timeout(seconds: float) -> AsyncIterator[None]:
    """What is awaited within ends after so many seconds, quietly.

    `asyncio.wait_for` is not used: that of Python 3.11 forgets that it was cancelled where what it waits for happens in
    the same moment, and a loop around it never ends (https://github.com/python/cpython/issues/86296).
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            yield
