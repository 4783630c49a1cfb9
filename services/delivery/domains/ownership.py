"""Decides what a check tells about a project's claim on a domain. Pure.

Any number of projects may claim a domain. The first whose own challenge is in the DNS while SES accepts mail from the
domain has it, until SES no longer does or the project removes it. A project without a proof learns the same whether the
domain is free or another project has it.
"""

from collections.abc import Collection
from uuid import UUID

import msgspec

from libs.schemas.delivery.domains import DomainEvent, DomainVerification
from services.delivery.domains import challenge
from services.delivery.domains.domain import Domain, observe
from services.delivery.ses.identity import Identity

TAKEN = "Another project of this installation has verified this domain. It has to remove the domain first."


class Finding(msgspec.Struct, frozen=True):
    """What follows from a check, and what to show of it."""

    events: list[DomainEvent]
    status: DomainVerification
    problem: str | None = None


def examine(
    project: UUID, domain: Domain, seen: Identity, published: Collection[str] | None, *, taken: bool
) -> Finding:
    """Judge the claim by what SES says of the domain and by the TXT records that are published.

    `published` is None if SES's verification is proof enough; `taken` means that a project has the domain already.
    """
    assert domain.id is not None
    proven = published is None or challenge.value_of(project, domain.id) in published
    events = observe(domain, seen, may_own=proven and not taken)
    if domain.verified or (proven and not taken):
        return Finding(events, seen.status)
    if not proven:
        return Finding(events, "PENDING", f"The TXT record of {challenge.name_of(domain.domain)} was not found")
    return Finding(events, "PENDING", None if published is None else TAKEN)
