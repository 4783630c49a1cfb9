"""The command that delivery takes most: sending one mail."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

from libs.runtime.aggregate import accepted
from libs.runtime.clock import iso
from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.rejection import Rejected
from libs.runtime.store import Connection, Unit
from libs.schemas.delivery import Content, QueuedEmail, SendEmail
from services.delivery import intents
from services.delivery.intents import Intent
from services.delivery.read_models import content as contents
from services.delivery.read_models import domain as domains
from services.delivery.sending import DomainStatus, content_of, decide, domain_of

ARRIVES_WITHIN = 1.0
LOOK_EVERY = 0.05

Templates = Mapping[UUID, Content]


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


def _intent(envelope: Envelope[SendEmail], templates: Templates, owners: domains.Owners) -> Intent:
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
    found = await contents.find(conn, wanted, usable=True)
    for _ in range(int(ARRIVES_WITHIN / LOOK_EVERY)):
        if len(found) == len(wanted):
            break
        await asyncio.sleep(LOOK_EVERY)
        found = await contents.find(conn, wanted, usable=True)
    return found


async def _owners(conn: Connection, envelopes: Sequence[Envelope[SendEmail]], templates: Templates) -> domains.Owners:
    """Who has the domains that the mails are to come from."""
    names: set[str] = set()
    for envelope in envelopes:
        with suppress(Rejected):
            names.add(domain_of(_content(envelope.message, templates)))
    return await domains.named(conn, names)


def _content(command: SendEmail, templates: Templates) -> Content:
    return content_of(command, templates.get(command.template_id) if command.template_id else None)
