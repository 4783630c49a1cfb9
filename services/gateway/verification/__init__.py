"""Looking at an email address without writing to it: how it is spelled, what is known of its domain, and what DNS says.

Nothing here asks the mail server whether a mailbox exists: that is what spammers do, and servers do not tell.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from libs.runtime.process.settings import Settings
from services.gateway.verification.dns_lookup import Names
from services.gateway.verification.domain_lists import shipped
from services.gateway.verification.results import Verification
from services.gateway.verification.verdict import judged

Verify: TypeAlias = Callable[[str], Awaitable[Verification]]
"""Looks at an address as `libs.kernel.addresses` has it."""


def verifier_from(config: Settings) -> Verify:
    names, lists = Names(config.dns_servers), shipped(config.disposable_domains)

    async def verify(address: str) -> Verification:
        return judged(address, await names.look_up(address.rpartition("@")[2]), lists)

    return verify
