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
from services.delivery.domains.views import view


def change_domains(region: str) -> BatchHandler:
    """Return the handler of all commands on domains. SES is asked soon after about those that it verifies."""

    def reply(envelope: Envelope[Any], domain: Domain, events: Sequence[Any], now: datetime) -> DomainView:
        return view(envelope.project, domain, None, region, now)

    aggregate = Aggregate(decider, key=_key, load=_load, reply=reply)

    async def change(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
        replies = await aggregate(unit, envelopes)
        await unit.flush()
        await identity_checks.check_soon(unit.conn, [e.message.domain_id for e in envelopes])
        if any(isinstance(e.message, RemoveDomain) for e in envelopes):
            await identity_checks.forget_soon(unit.conn)
        return replies

    return change


def _key(envelope: Envelope[Any]) -> Hashable:
    command = envelope.message
    return envelope.project, normal(command.domain) if isinstance(command, AddDomain) else command.domain_id


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> dict[Hashable, Loaded[Domain]]:
    """Return the project's own domain for each command, or that another project has one of that name."""
    names = {normal(e.message.domain) for e in envelopes if isinstance(e.message, AddDomain)}
    rows = await domains.find(conn, names, {e.message.domain_id for e in envelopes})
    found: dict[Hashable, Loaded[Domain]] = {}
    for envelope in envelopes:
        own = [row for row in rows if row["project"] == envelope.project and _is_about(envelope.message, row)]
        if own:
            found[_key(envelope)] = Loaded(domains.domain_of(own[0]), f"domain-{own[0]['id']}", own[0]["version"])
        elif any(_is_about(envelope.message, row) for row in rows):
            found[_key(envelope)] = Loaded(Domain(taken=True), f"domain-{envelope.message.domain_id}", 0)
    return found


def _is_about(command: Any, row: asyncpg.Record) -> bool:
    """Return whether the command is about the domain in this row."""
    if isinstance(command, AddDomain):
        return bool(row["domain"] == normal(command.domain))
    return bool(row["id"] == command.domain_id)
