"""Commands on sending domains, and how domains are shown."""

from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection, UnitOfWork
from libs.schemas.delivery.domains import (
    AddDomain,
    DomainVerification,
    DomainView,
    GetDomain,
    ListDomains,
    RemoveDomain,
)
from services.delivery.domains import domain as decider
from services.delivery.domains import identity_checks
from services.delivery.domains.dns import records
from services.delivery.domains.domain import Domain, normal
from services.delivery.domains.identity_checks import Check
from services.delivery.domains.read_models import domain as domains


def commands(region: str) -> BatchHandler:
    """Handles every command on domains. SES is asked about those that it checks for us soon after."""

    def reply(envelope: Envelope[Any], domain: Domain, events: Sequence[Any], now: datetime) -> DomainView:
        return view(envelope.project, domain, None, region, now)

    aggregate = Aggregate(decider, key=_key, load=_load, reply=reply)

    async def handle(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
        answers = await aggregate(unit, envelopes)
        await unit.flush()
        await identity_checks.ask_soon(unit.conn, [e.message.domain_id for e in envelopes])
        if any(isinstance(e.message, RemoveDomain) for e in envelopes):
            await identity_checks.forget_soon(unit.conn)
        return answers

    return handle


class Queries:
    """Answers about domains; `region` is part of the records to publish."""

    def __init__(self, region: str) -> None:
        self._region = region

    async def list(self, conn: Connection, project: UUID, query: ListDomains) -> "list[DomainView]":
        rows = await domains.of_project(conn, project)
        checks = await identity_checks.checks(conn, [row["domain"] for row in rows])
        return [self._view(row, checks.get(row["domain"])) for row in rows]

    async def get(self, conn: Connection, project: UUID, query: GetDomain) -> DomainView:
        row = await domains.one(conn, project, query.domain_id)
        if row is None:
            raise Rejected("DOMAIN_NOT_FOUND", "Domain not found")
        checks = await identity_checks.checks(conn, [row["domain"]])
        return self._view(row, checks.get(row["domain"]))

    def _view(self, row: asyncpg.Record, check: Check | None) -> DomainView:
        return view(row["project"], loaded(row), check, self._region, row["updated_at"])


def view(project: UUID, domain: Domain, check: Check | None, region: str, now: datetime) -> DomainView:
    assert domain.id is not None
    check = None if domain.vouched else check
    return DomainView(
        id=domain.id,
        project_id=project,
        domain=domain.domain,
        verified=domain.verified,
        vouched=domain.vouched,
        tokens=list(domain.tokens),
        dkim_tokens=list(domain.tokens),
        status=_status(domain, check),
        records=records(domain, region),
        checked_at=iso(check.at) if check and check.at else None,
        problem=check.problem if check else None,
        created_at=iso(domain.created_at or now),
        updated_at=iso(domain.updated_at or now),
    )


def loaded(row: asyncpg.Record) -> Domain:
    """The state that a row of the read model is."""
    return Domain(
        id=row["id"],
        domain=row["domain"],
        verified=row["verified"],
        vouched=row["vouched"],
        tokens=tuple(row["tokens"]),
        mail_from=row["mail_from"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _status(domain: Domain, check: Check | None) -> DomainVerification:
    if check and check.status:
        return check.status
    return "SUCCESS" if domain.verified else "PENDING"


def _key(envelope: Envelope[Any]) -> Hashable:
    command = envelope.message
    return envelope.project, normal(command.domain) if isinstance(command, AddDomain) else command.domain_id


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> dict[Hashable, Loaded[Domain]]:
    """By the key of each command: the project's own domain, or what others have of that name."""
    names = {normal(e.message.domain) for e in envelopes if isinstance(e.message, AddDomain)}
    rows = await domains.find(conn, names, {e.message.domain_id for e in envelopes})
    found: dict[Hashable, Loaded[Domain]] = {}
    for envelope in envelopes:
        own = [row for row in rows if row["project"] == envelope.project and _names(envelope.message, row)]
        if own:
            found[_key(envelope)] = Loaded(loaded(own[0]), f"domain-{own[0]['id']}", own[0]["version"])
        elif any(_names(envelope.message, row) for row in rows):
            found[_key(envelope)] = Loaded(Domain(taken=True), f"domain-{envelope.message.domain_id}", 0)
    return found


def _names(command: Any, row: asyncpg.Record) -> bool:
    """Whether the command is about the domain of this row."""
    if isinstance(command, AddDomain):
        return bool(row["domain"] == normal(command.domain))
    return bool(row["id"] == command.domain_id)
