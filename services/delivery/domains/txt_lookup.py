"""Asks DNS for the challenges that are published at domains."""

import asyncio
from collections.abc import Collection, Mapping

import dns.exception
import dns.resolver
import structlog

from libs.runtime.process.name_servers import NameServers
from services.delivery.domains import challenge

log = structlog.get_logger()

LOOKUP_SECONDS = 5.0


class TxtLookup:
    """Looks up TXT records without caching them: somebody is waiting for what they have just published."""

    def __init__(self, servers: str) -> None:
        self._servers = NameServers(servers)

    async def published(self, domains: Collection[str]) -> Mapping[str, Collection[str]]:
        """Return the values that are published for each domain, within a few seconds; none where DNS has no answer."""
        found = await asyncio.gather(*(self._values(domain) for domain in domains))
        return dict(zip(domains, found, strict=True))

    async def _values(self, domain: str) -> Collection[str]:
        name = challenge.name_of(domain)
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                answer = await self._servers.resolver.resolve(f"{name}.", "TXT", search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return ()
        except (dns.exception.DNSException, OSError, ValueError) as error:
            log.info("txt_lookup.no_answer", name=name, error=repr(error))
            return ()
        return {b"".join(record.strings).decode("utf-8", "replace").strip() for record in answer}
