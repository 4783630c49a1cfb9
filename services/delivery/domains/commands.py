"""Commands on sending domains."""

from collections.abc import Hashable, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection, UnitOfWork
from libs.schemas.delivery.domains import AddDomain, DomainView, RemoveDomain
from services.delivery.domains import domain as decider
from services.delivery.domains import identity_checks
from services.delivery.domains.domain import Domain, normal
from services.delivery.domains.read_models import domain as domains
from services.delivery.domains.views import DomainViews


def change_domains(views: DomainViews) -> BatchHandler:
    """Return the handler of all commands on domains. SES is asked soon after about those that it verifies."""

    def reply(envelope: Envelope[Any], domain: Domain, events: Sequence[Any], now: datetime) -> DomainView:
        return views.view(envelope.project, domain, None, now)

    aggregate = Aggregate(decider, key=_key, load=_load, reply=reply)

    async def change(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
        replies = await aggregate(unit, envelopes)
        await unit.flush()
        await identity_checks.check_soon(unit.conn, [(e.project, e.message.domain_id) for e in envelopes])
        if any(isinstance(e.message, RemoveDomain) for e in envelopes):
            await identity_checks.forget_soon(unit.conn)
        return replies

    return change


def _key(envelope: Envelope[Any]) -> Hashable:
    command = envelope.message
    return envelope.project, normal(command.domain) if isinstance(command, AddDomain) else command.domain_id


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> dict[Hashable, Loaded[Domain]]:
    """Return the project's own domain for each command. What other projects have decides nothing here."""
    projects = {envelope.project for envelope in envelopes}
    own = {project: await domains.of_project(conn, project) for project in projects}
    found = {_key(envelope): _loaded(envelope.message, own[envelope.project]) for envelope in envelopes}
    return {key: loaded for key, loaded in found.items() if loaded}


def _loaded(command: Any, own: Sequence[asyncpg.Record]) -> Loaded[Domain] | None:
    """Return the domain that the command is about, if the project has it, or what decides about a new one."""
    for row in own:
        if _is_about(command, row):
            return Loaded(domains.domain_of(row), f"domain-{row['id']}", row["version"])
    if not isinstance(command, AddDomain):
        return None
    return Loaded(Domain(unverified=sum(not row["verified"] for row in own)), f"domain-{command.domain_id}", 0)


def _is_about(command: Any, row: asyncpg.Record) -> bool:
    """Return whether the command is about the domain in this row."""
    if isinstance(command, AddDomain):
        return bool(row["domain"] == normal(command.domain))
    return bool(row["id"] == command.domain_id)
