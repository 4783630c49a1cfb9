"""Asking DNS about a domain: whether it is there, takes mail and has a website."""

import asyncio
import time
from collections import OrderedDict

import dns.asyncresolver
import dns.exception
import dns.resolver
import structlog

from services.gateway.verification.results import DomainFacts

log = structlog.get_logger()

SERVER_SECONDS = 1.5
LOOKUP_SECONDS = 3.0
AT_ONCE = 64
KEPT_SECONDS = 600.0
KEPT = 10_000
PORT = 53
UNKNOWN = DomainFacts(None, None, None)
NONEXISTENT = DomainFacts(exists=False, has_mx=False, has_website=False)


class UnknownDomain(Exception):
    """There is no such domain."""


class DnsLookup:
    """Asks, and remembers the answers for ten minutes. `servers` are `host` or `host:port`, by commas; without any the
    machine's own are asked."""

    def __init__(self, servers: str = "") -> None:
        self._servers = servers
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._kept: OrderedDict[str, tuple[float, DomainFacts]] = OrderedDict()
        self._asked: dict[str, asyncio.Task[DomainFacts]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def look_up(self, domain: str) -> DomainFacts:
        """What DNS says, within a few seconds. Never raises for what it does not say."""
        until, known = self._kept.get(domain, (0.0, UNKNOWN))
        if until > time.monotonic():
            return known
        task = self._asked.get(domain)
        if task is None:
            task = self._asked[domain] = asyncio.create_task(self._ask(domain))
            task.add_done_callback(lambda _: self._asked.pop(domain, None))
        return await asyncio.shield(task)

    async def _ask(self, domain: str) -> DomainFacts:
        try:
            async with asyncio.timeout(2 * LOOKUP_SECONDS), self._room:
                mx, v4, v6 = await asyncio.gather(*(self._find(domain, kind) for kind in ("MX", "A", "AAAA")))
        except UnknownDomain:
            return self._keep(domain, NONEXISTENT)
        except TimeoutError:
            return UNKNOWN
        if mx is None:
            return UNKNOWN
        website = True if v4 or v6 else None if v4 is None or v6 is None else False
        return self._keep(domain, DomainFacts(exists=True, has_mx=mx, has_website=website))

    async def _find(self, domain: str, kind: str) -> bool | None:
        """Whether there are such records; None if nobody says. Raises NoSuchName."""
        try:
            answer = await self._servers_of().resolve(f"{domain}.", kind, search=False, raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN as none:
            raise UnknownDomain from none
        except (dns.exception.DNSException, OSError, ValueError) as silence:
            log.info("verification.no_answer", domain=domain, kind=kind, error=repr(silence))
            return None
        # a single MX of "." says that the domain takes no mail (RFC 7505)
        return answer.rrset is not None and any(str(getattr(record, "exchange", "")) != "." for record in answer.rrset)

    def _keep(self, domain: str, found: DomainFacts) -> DomainFacts:
        self._kept[domain] = (time.monotonic() + KEPT_SECONDS, found)
        self._kept.move_to_end(domain)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _servers_of(self) -> dns.asyncresolver.Resolver:
        """Made when it is needed, because a machine without DNS can do everything else."""
        if self._resolver is None:
            resolver = dns.asyncresolver.Resolver(configure=not self._servers)
            if self._servers:
                places = [server.strip().rpartition(":") for server in self._servers.split(",")]
                hosts = {host or last: int(last) if host else PORT for host, _, last in places}
                resolver.nameservers, resolver.nameserver_ports = list(hosts), hosts
            resolver.timeout, resolver.lifetime = SERVER_SECONDS, LOOKUP_SECONDS
            self._resolver = resolver
        return self._resolver
