"""The commands that delivery takes: sending one mail, and adding a sending domain."""

import asyncio
from collections.abc import Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.runtime.aggregate import Aggregate, Loaded, accepted
from libs.runtime.clock import iso
from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.rejection import Rejected
from libs.runtime.store import Connection, Unit
from libs.schemas.delivery import AddDomain, Content, DomainView, QueuedEmail, SendEmail
from services.delivery import domain as domain_decider
from services.delivery import intents
from services.delivery.domain import Domain, normal
from services.delivery.intents import Intent
from services.delivery.read_models import content as contents
from services.delivery.read_models import domain as domains
from services.delivery.sending import DomainStatus, content_of, decide, domain_of

ARRIVES_WITHIN = 1.0
LOOK_EVERY = 0.05

Templates = Mapping[UUID, Content]
Owners = Mapping[str, Mapping[UUID, bool]]


async def send_emails(unit: Unit, envelopes: Sequence[Envelope[SendEmail]]) -> list[bytes]:
    """Queue each mail, or say why not. A mail that is queued already is answered as it was the first time."""
    templates = await _templates(unit.conn, envelopes)
    owners = await _owners(unit.conn, envelopes, templates)
    known = await intents.queued_before(unit, [e.message.email_id for e in envelopes])
    answers: list[bytes] = []
    queued: list[Intent] = []
    for envelope in envelopes:
        since = known.get(envelope.message.email_id)
        try:
            if since is None:
                queued.append(_intent(envelope, templates, owners))
                known[envelope.message.email_id] = since = unit.now
            answers.append(accepted(QueuedEmail(email=envelope.message.email_id, timestamp=iso(since))))
        except Rejected as no:
            answers.append(encode(no.as_reply()))
    await intents.queue(unit, queued)
    return answers


def _intent(envelope: Envelope[SendEmail], templates: Templates, owners: Owners) -> Intent:
    content = _content(envelope.message, templates)
    status = _status(envelope.project, owners.get(domain_of(content), {}))
    return Intent(decide(envelope.message, content, status), envelope, envelope.message.overrides or None)


def _status(project: UUID, owners: Mapping[UUID, bool]) -> DomainStatus:
    if project in owners:
        return "verified" if owners[project] else "unverified"
    return "foreign" if owners else "unknown"


async def _templates(conn: Connection, envelopes: Sequence[Envelope[SendEmail]]) -> Templates:
    """The templates that are named. One that was created a moment ago may be on its way here, so a missing one is
    waited for briefly."""
    wanted = {(e.project, e.message.template_id) for e in envelopes if e.message.template_id}
    found = await contents.find(conn, wanted)
    for _ in range(int(ARRIVES_WITHIN / LOOK_EVERY)):
        if len(found) == len(wanted):
            break
        await asyncio.sleep(LOOK_EVERY)
        found = await contents.find(conn, wanted)
    return found


async def _owners(conn: Connection, envelopes: Sequence[Envelope[SendEmail]], templates: Templates) -> Owners:
    """Who has the domains that the mails are to come from."""
    names: set[str] = set()
    for envelope in envelopes:
        with suppress(Rejected):
            names.add(domain_of(_content(envelope.message, templates)))
    return await domains.named(conn, names)


def _content(command: SendEmail, templates: Templates) -> Content:
    return content_of(command, templates.get(command.template_id) if command.template_id else None)


def add_domains() -> Aggregate[Domain]:
    return Aggregate(domain_decider, key=_key, load=_load, reply=_reply)


def _key(envelope: Envelope[AddDomain]) -> Hashable:
    return envelope.project, normal(envelope.message.domain)


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> dict[Hashable, Loaded[Domain]]:
    wanted: Collection[tuple[UUID, str]] = {(e.project, normal(e.message.domain)) for e in envelopes}
    return {
        (row["project"], row["domain"]): Loaded(
            Domain(
                id=row["id"],
                domain=row["domain"],
                verified=row["verified"],
                tokens=tuple(row["tokens"]),
                created_at=row["created_at"],
            ),
            f"domain-{row['id']}",
            row["version"],
        )
        for row in await domains.load(conn, wanted)
    }


def _reply(envelope: Envelope[AddDomain], domain: Domain, events: Sequence[Any], now: datetime) -> DomainView:
    return DomainView(
        id=domain.id or envelope.message.domain_id,
        domain=domain.domain,
        verified=domain.verified,
        tokens=list(domain.tokens),
        created_at=iso(domain.created_at or now),
        updated_at=iso(now),
    )
