"""A sending domain: a decider. Pure."""

import re
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from libs.runtime.rejection import Rejected
from libs.schemas.base import FieldError
from libs.schemas.delivery import AddDomain, DomainAdded, DomainEvent, DomainVerified

NAME = re.compile(r"(?=.{3,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?")


class Domain(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is None until the domain is added."""

    id: UUID | None = None
    domain: str = ""
    verified: bool = False
    tokens: tuple[str, ...] = ()
    created_at: datetime | None = None


INITIAL = Domain()


def decide(command: AddDomain, domain: Domain, now: datetime) -> list[DomainEvent]:
    name = normal(command.domain)
    if not NAME.fullmatch(name):
        wrong = FieldError(field="domain", message="This is not a domain name", code="invalid_string")
        raise Rejected("VALIDATION_ERROR", "Request validation failed", errors=[wrong])
    events: list[DomainEvent] = []
    if domain.id is None:
        events.append(DomainAdded(domain_id=command.domain_id, domain=name))
    elif domain.id != command.domain_id and not command.verified:
        raise Rejected("DOMAIN_ALREADY_EXISTS", f'Domain "{name}" is already added to this project.')
    if command.verified and not domain.verified:
        events.append(DomainVerified(domain_id=domain.id or command.domain_id, domain=name))
    return events


def evolve(domain: Domain, event: DomainEvent) -> Domain:
    match event:
        case DomainAdded(domain_id=domain_id, domain=name, tokens=tokens):
            return replace(domain, id=domain_id, domain=name, tokens=tuple(tokens))
        case DomainVerified():
            return replace(domain, verified=True)
    raise AssertionError(f"evolve() has no case for {event!r}")


def normal(name: str) -> str:
    return name.strip().lower()
