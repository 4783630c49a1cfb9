"""Verifies an email address without writing to it: its spelling, what is known of its domain, and what DNS says.

No mail server is asked whether a mailbox exists: that is what spammers do, and servers do not tell.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from libs.runtime.process.settings import Settings
from services.gateway.verification.dns_lookup import DnsLookup
from services.gateway.verification.domain_lists import shipped
from services.gateway.verification.results import AddressVerification
from services.gateway.verification.verdict import verdict_on

VerifyAddress: TypeAlias = Callable[[str], Awaitable[AddressVerification]]
"""Verifies an address as `libs.kernel.addresses` normalizes it."""


def verifier_from(config: Settings) -> VerifyAddress:
    lookup, lists = DnsLookup(config.dns_servers), shipped(config.disposable_domains)

    async def verify(address: str) -> AddressVerification:
        return verdict_on(address, await lookup.look_up(address.rpartition("@")[2]), lists)

    return verify
