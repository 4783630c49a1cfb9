"""Which limits a request counts against: the project's with a secret key, others with a public one.

Anybody can have a public key. So its requests do not count against the project's limit, which would then be theirs to
exhaust, but against that of the key, that of the network they come from and that of the address they are about.
"""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from uuid import UUID

from libs.kernel.addresses import normalize_address
from libs.runtime.process.settings import Settings
from services.gateway.accounts.keys import Principal
from services.gateway.http.limits import RateLimiter, RateLimitState

IPV6_NETWORK = 64
"""The bits of an IPv6 address that name a network: one customer usually has all addresses of one."""


class RateLimits:
    """The limits per minute. GODWIT_API_RATE_LIMIT=0 turns all of them off."""

    def __init__(self, config: Settings) -> None:
        self._project = _limiter(config, config.api_rate_limit)
        self._key = _limiter(config, config.public_key_rate_limit)
        self._network = _limiter(config, config.public_network_rate_limit)
        self._address = _limiter(config, config.public_address_rate_limit)

    def take(self, caller: Principal, peer: str) -> RateLimitState | None:
        """Count a request of the caller from this address. Return None if it is not limited."""
        if caller.kind == "secret":
            return self._project.take(caller.project) if self._project else None
        network = network_of(peer) if self._network else None
        if self._network and network:
            state = self._network.take((caller.project, network))
            if not state.allowed:
                return state
        return self._key.take(caller.key_id) if self._key else None

    def take_address(self, project: UUID, email: str) -> RateLimitState | None:
        """Count a request with a public key that is about this address. Return None if it is not limited."""
        address = normalize_address(email)
        return self._address.take((project, address)) if self._address and address else None


@lru_cache(maxsize=4096)
def network_of(peer: str) -> str | None:
    """Return the network of an internet address: itself for IPv4, and the first 64 bits of IPv6.

    Return None for a private address. It is a proxy's if GODWIT_TRUSTED_PROXIES does not name the proxy, and everybody
    comes from there.
    """
    try:
        address = ip_address(peer)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        address = address.ipv4_mapped or address
    if not address.is_global:
        return None
    if isinstance(address, IPv6Address):
        return str(ip_network((address, IPV6_NETWORK), strict=False))
    return str(address)


def _limiter(config: Settings, per_minute: int) -> RateLimiter | None:
    return RateLimiter(per_minute) if config.api_rate_limit and per_minute else None
