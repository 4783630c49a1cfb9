"""The decider of a sending domain. Pure.

added -> identified (SES knows it) -> verified <-> lost, and removed at any time. A domain that the operator vouches for
is verified at once, and SES is not asked about it. Several projects may add the same domain: see `ownership`.
"""

import re
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.kernel.rejection import Rejected, invalid
from libs.schemas.delivery.domains import (
    AddDomain,
    DomainAdded,
    DomainEvent,
    DomainIdentified,
    DomainLost,
    DomainRemoved,
    DomainVerified,
    RemoveDomain,
    VerifyDomain,
)
from services.delivery.ses.identity import Identity

NAME = re.compile(r"(?=.{3,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")

MAX_UNVERIFIED = 100
"""Each of them is looked up every few minutes, in a row with those of all projects."""

Command: TypeAlias = AddDomain | VerifyDomain | RemoveDomain


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is None until the domain is added; until then `unverified` counts those of the project that wait for it."""

    id: UUID | None = None
    domain: str = ""
    verified: bool = False
    vouched: bool = False
    unverified: int = 0
    removed: bool = False
    tokens: tuple[str, ...] = ()
    mail_from: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


INITIAL = Domain()


def decide(command: Command, domain: Domain, now: datetime) -> list[DomainEvent]:
    match command:
        case AddDomain():
            return _add(command, domain)
        case _ if domain.id is None or domain.removed:
            raise Rejected("DOMAIN_NOT_FOUND", "Domain not found")
        case VerifyDomain():
            return []
        case RemoveDomain():
            return [DomainRemoved(domain_id=domain.id, domain=domain.domain)]


def observe(domain: Domain, seen: Identity, *, may_own: bool) -> list[DomainEvent]:
    """Return the events that follow from what SES says of a domain that it verifies.

    `may_own` tells whether the project has proven the domain and no other has it.
    """
    assert domain.id is not None
    events: list[DomainEvent] = []
    if (seen.tokens, seen.mail_from) != (domain.tokens, domain.mail_from):
        tokens = list(seen.tokens)
        events.append(
            DomainIdentified(domain_id=domain.id, domain=domain.domain, tokens=tokens, mail_from=seen.mail_from)
        )
    if seen.verified and may_own and not domain.verified:
        events.append(DomainVerified(domain_id=domain.id, domain=domain.domain, vouched=False))
    if domain.verified and not seen.verified:
        events.append(DomainLost(domain_id=domain.id, domain=domain.domain, status=seen.status))
    return events


def evolve(domain: Domain, event: DomainEvent) -> Domain:
    match event:
        case DomainAdded(domain_id=domain_id, domain=name, tokens=tokens, vouched=vouched):
            return replace(domain, id=domain_id, domain=name, tokens=tuple(tokens), vouched=vouched)
        case DomainIdentified(tokens=tokens, mail_from=mail_from):
            return replace(domain, tokens=tuple(tokens), mail_from=mail_from)
        case DomainVerified(vouched=vouched):
            return replace(domain, verified=True, vouched=vouched)
        case DomainLost():
            return replace(domain, verified=False)
        case DomainRemoved():
            return replace(domain, verified=False, removed=True)
    raise AssertionError(f"evolve() has no case for {event!r}")


def normal(name: str) -> str:
    return name.strip().lower()


def _add(command: AddDomain, domain: Domain) -> list[DomainEvent]:
    name = normal(command.domain)
    if not NAME.fullmatch(name):
        raise invalid("domain", "Must be a domain name", "invalid_string")
    if domain.unverified >= MAX_UNVERIFIED and not command.verified:
        message = (
            f"A project can have at most {MAX_UNVERIFIED} domains that are not verified. Verify or remove some first."
        )
        raise Rejected("DOMAIN_LIMIT_REACHED", message)
    events: list[DomainEvent] = []
    if domain.id is None:
        events.append(DomainAdded(domain_id=command.domain_id, domain=name, vouched=command.verified))
    elif domain.id != command.domain_id and not command.verified:
        raise Rejected("DOMAIN_ALREADY_EXISTS", f'Domain "{name}" is already added to this project.')
    if command.verified and not (domain.verified and domain.vouched):
        events.append(DomainVerified(domain_id=domain.id or command.domain_id, domain=name, vouched=True))
    return events
