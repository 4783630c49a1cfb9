"""Asks DNS whether a domain exists, accepts mail and has a website."""

import asyncio

import dns.exception
import dns.resolver
import structlog
from cachetools import TTLCache

from libs.runtime.process.name_servers import LOOKUP_SECONDS, NameServers
from services.gateway.verification.results import DomainFacts

log = structlog.get_logger()

MAX_AT_ONCE = 64
CACHE_SECONDS = 600.0
MAX_CACHED = 10_000
UNKNOWN = DomainFacts(None, None, None)
NONEXISTENT = DomainFacts(exists=False, has_mx=False, has_website=False)


class UnknownDomain(Exception):
    """Raised when DNS says that a domain does not exist."""


class DnsLookup:
    """Looks up domains and caches the answers for ten minutes.

    `servers` are `host` or `host:port`, separated by commas. Without any the machine's own are used.
    """

    def __init__(self, servers: str = "") -> None:
        self._servers = NameServers(servers)
        self._cache: TTLCache[str, DomainFacts] = TTLCache(MAX_CACHED, CACHE_SECONDS)
        self._running: dict[str, asyncio.Task[DomainFacts]] = {}
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)

    async def look_up(self, domain: str) -> DomainFacts:
        """Return what DNS says, within a few seconds. What it does not answer is None, never an exception."""
        if cached := self._cache.get(domain):
            return cached
        task = self._running.get(domain)
        if task is None:
            task = self._running[domain] = asyncio.create_task(self._ask(domain))
            task.add_done_callback(lambda _: self._running.pop(domain, None))
        return await asyncio.shield(task)

    async def _ask(self, domain: str) -> DomainFacts:
        try:
            async with asyncio.timeout(2 * LOOKUP_SECONDS), self._slots:
                mx, v4, v6 = await asyncio.gather(*(self._has_records(domain, kind) for kind in ("MX", "A", "AAAA")))
        except UnknownDomain:
            self._cache[domain] = NONEXISTENT
            return NONEXISTENT
        except TimeoutError:
            return UNKNOWN
        if mx is None:
            return UNKNOWN
        website = True if v4 or v6 else None if v4 is None or v6 is None else False
        facts = self._cache[domain] = DomainFacts(exists=True, has_mx=mx, has_website=website)
        return facts

    async def _has_records(self, domain: str, kind: str) -> bool | None:
        """Return whether the domain has such records, None without an answer. Raises UnknownDomain."""
        resolver = self._servers.resolver
        try:
            answer = await resolver.resolve(f"{domain}.", kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as error:
            raise UnknownDomain from error
        except (dns.exception.DNSException, OSError, ValueError) as error:
            log.info("verification.no_answer", domain=domain, kind=kind, error=repr(error))
            return None
        # A single MX of "." says that the domain accepts no mail (RFC 7505).
        return answer.rrset is not None and any(str(getattr(record, "exchange", "")) != "." for record in answer.rrset)
