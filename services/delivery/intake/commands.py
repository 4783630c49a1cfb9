"""Taking on transactional mail: everything that an order names is looked up for a whole batch, then decided."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import TypeAlias
from uuid import UUID

import msgspec

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection, UnitOfWork
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import View
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.emails import (
    CheckOrder,
    QueuedEmail,
    QueuedEmails,
    SendEmail,
    SendEmails,
    ValidatedEmail,
)
from services.delivery.domains.read_models import domain as domains
from services.delivery.intake import intents
from services.delivery.intake.admission import (
    DomainStatus,
    Order,
    admit,
    content_of,
    decide,
    domain_of,
    recipients_of,
)
from services.delivery.intake.fast_path import Desk
from services.delivery.intake.intents import Intent
from services.delivery.rendering import attachments
from services.delivery.rendering.read_models import content as contents

ARRIVES_WITHIN = 1.0
LOOK_EVERY = 0.05
DEFAULT_SENDER = "no-reply@{}"

Command: TypeAlias = SendEmail | SendEmails
Orders: TypeAlias = Sequence[tuple[UUID, Order]]
"""Each with its project."""


class Found(msgspec.Struct, frozen=True):
    """What the orders of a batch name: templates by id, whose domains are whose, and senders of projects."""

    templates: Mapping[UUID, Content]
    senders: Mapping[UUID, str]
    owners: domains.Owners = {}

    def content(self, project: UUID, order: Order) -> Content:
        """Raises Rejected if there is no such template."""
        template = self.templates.get(order.template_id) if order.template_id else None
        return content_of(order, template, self.senders.get(project))

    def status(self, project: UUID, content: Content) -> DomainStatus:
        """Whether the project may send from the content's domain."""
        owners = self.owners.get(domain_of(content), {})
        if project in owners:
            return "verified" if owners[project] else "unverified"
        return "foreign" if owners else "unknown"


def send_emails(untracked: bool, desk: Desk) -> BatchHandler:
    """Queues each order's mails, or says why not. `untracked`: this installation can send without tracking."""
    return partial(_send, untracked, desk)


def check_order(untracked: bool) -> QueryHandler:
    return partial(_check, untracked)


async def _send(untracked: bool, desk: Desk, unit: UnitOfWork, envelopes: Sequence[Envelope[Command]]) -> list[bytes]:
    """What is queued already is answered as it was the first time."""
    express = desk.expect(unit, sum(len(recipients_of(envelope.message)) for envelope in envelopes))
    found = await _look_up(unit.conn, [(e.project, e.message) for e in envelopes])
    sizes = await attachments.touch(
        unit, {(e.project, a.digest) for e in envelopes for a in e.message.extras.attachments}
    )
    decided = [_decided(envelope, found, sizes, untracked) for envelope in envelopes]
    # one that comes twice in a batch is one mail
    queued = {intent.queued.email_id: intent for each in decided if isinstance(each, list) for intent in each}
    new = await intents.queue(unit, list(queued.values()))
    await attachments.refer(unit, _references(queued.values(), new))
    if express:
        await express.claim(unit, new)
    since = dict.fromkeys(new, unit.now)
    since |= await intents.queued_before(unit, {each for e in envelopes for each in _ids(e)} - new)
    return [_answer(envelope, each, since) for envelope, each in zip(envelopes, decided, strict=True)]


async def _check(untracked: bool, conn: Connection, project: UUID, query: CheckOrder) -> ValidatedEmail:
    found = await _look_up(conn, [(project, query)])
    content = found.content(project, query)
    admit(query, content, found.status(project, content), untracked)
    return ValidatedEmail(kind=content.kind)


def _decided(
    envelope: Envelope[Command], found: Found, sizes: Mapping[attachments.Key, int], untracked: bool
) -> list[Intent] | Rejected:
    project, command = envelope.project, envelope.message
    try:
        _require_files(envelope, sizes)
        content = found.content(project, command)
        facts = decide(command, content, found.status(project, content), untracked)
    except Rejected as no:
        return no
    return [Intent(fact, envelope, command.overrides or None) for fact in facts]


def _answer(envelope: Envelope[Command], decided: list[Intent] | Rejected, since: Mapping[UUID, datetime]) -> bytes:
    """A refusal is for what does not exist: mails that were queued before stay so, whatever would be decided now."""
    ids = _ids(envelope)
    if isinstance(decided, Rejected) and not since.keys() >= set(ids):
        return encode(decided.as_reply())
    return accepted_reply(_reply(envelope.message, ids, iso(min(since[each] for each in ids))))


def _ids(envelope: Envelope[Command]) -> list[UUID]:
    return [recipient.email_id for recipient in recipients_of(envelope.message)]


def _require_files(envelope: Envelope[Command], sizes: Mapping[attachments.Key, int]) -> None:
    for attachment in envelope.message.extras.attachments:
        if sizes.get((envelope.project, attachment.digest)) != attachment.size:
            raise Rejected("ATTACHMENT_NOT_FOUND", f"The bytes of {attachment.filename} have not been stored")


def _references(queued: Iterable[Intent], new: Set[UUID]) -> Iterator[tuple[UUID, UUID, str]]:
    """Which of the new mails needs which files."""
    for intent in queued:
        if intent.queued.extras and intent.queued.email_id in new:
            for digest in {each.digest for each in intent.queued.extras.attachments}:
                yield intent.queued.email_id, intent.cause.project, digest


def _reply(command: Command, ids: list[UUID], timestamp: str) -> View:
    if isinstance(command, SendEmails):
        return QueuedEmails(emails=ids, timestamp=timestamp)
    return QueuedEmail(email=ids[0], timestamp=timestamp)


async def _look_up(conn: Connection, orders: Orders) -> Found:
    nameless = {project for project, order in orders if order.content and not order.content.from_email}
    senders = {
        project: DEFAULT_SENDER.format(name) for project, name in (await domains.first_verified(conn, nameless)).items()
    }
    found = Found(await _templates(conn, orders), senders)
    names: set[str] = set()
    for project, order in orders:
        with suppress(Rejected):  # it is refused when it is decided
            names.add(domain_of(found.content(project, order)))
    return Found(found.templates, senders, await domains.named(conn, names))


async def _templates(conn: Connection, orders: Orders) -> Mapping[UUID, Content]:
    """The templates that are named. One that was created a moment ago may be on its way here, so a missing one is
    waited for briefly."""
    wanted = {(project, order.template_id) for project, order in orders if order.template_id}
    found = await contents.find(conn, wanted, usable=True)
    for _ in range(int(ARRIVES_WITHIN / LOOK_EVERY)):
        if len(found) == len(wanted):
            break
        await asyncio.sleep(LOOK_EVERY)
        found = await contents.find(conn, wanted, usable=True)
    return found
