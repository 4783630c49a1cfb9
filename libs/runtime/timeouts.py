"""A timeout that ends a wait without an exception."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def soft_timeout(seconds: float) -> AsyncIterator[None]:
    """Leave the block after `seconds`, without raising TimeoutError.

    `asyncio.wait_for` is not used: in Python 3.11 it swallows a cancellation that arrives at the same moment as the
    result, and a loop around it never ends (https://github.com/python/cpython/issues/86296).
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            yield
