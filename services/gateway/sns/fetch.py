"""Fetches the two small things that SNS messages refer to, without redirects or proxies and with a bounded body."""

import asyncio
import ssl
from functools import cache

import httpx

TIMEOUT = 3.0


class FetchFailed(Exception):
    """Raised where there is no usable response: too late, not 200, too long, or not HTTP."""


async def get(url: str, limit: int) -> bytes:
    """Return the body of a 200 response of at most `limit` bytes, within TIMEOUT. Raises FetchFailed."""
    client = httpx.AsyncClient(verify=_tls(), trust_env=False, follow_redirects=False, timeout=TIMEOUT)
    try:
        async with asyncio.timeout(TIMEOUT), client, client.stream("GET", url) as response:
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > limit:
                    raise FetchFailed(f"the response is longer than {limit} bytes")
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ExceptionGroup) as error:  # a group for a port that cannot be
        raise FetchFailed(repr(error)) from error
    if response.status_code != 200:
        raise FetchFailed(f"the server answered {response.status_code}")
    return bytes(body)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
