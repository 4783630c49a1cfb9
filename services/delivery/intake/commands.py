"""Accepts transactional mail: looks up what the requests of a batch refer to, and decides each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from datetime import datetime
from functools import partial
from typing import TypeAlias
from uuid import UUID

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection, UnitOfWork
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import View
from libs.schemas.delivery.emails import CheckOrder, QueuedEmail, QueuedEmails, SendEmail, SendEmails, ValidatedEmail
from services.delivery.intake import intents
from services.delivery.intake.admission import admit, decide, recipients_of
from services.delivery.intake.fast_path import FastPath
from services.delivery.intake.intents import Intent
from services.delivery.intake.references import References, look_up
from services.delivery.rendering import attachments

Command: TypeAlias = SendEmail | SendEmails


def send_emails(untracked: bool, fast_path: FastPath) -> BatchHandler:
    """Return the handler of both commands. `untracked` tells whether this installation can send without tracking."""
    return partial(_send, untracked, fast_path)


def check_order(untracked: bool) -> QueryHandler:
    """Return the handler that checks a request without sending anything."""
    return partial(_check, untracked)


async def _send(
    untracked: bool, fast_path: FastPath, unit: UnitOfWork, envelopes: Sequence[Envelope[Command]]
) -> list[bytes]:
    """Queue the mails of each command. A repeated command gets the same reply as the first time."""
    fast_claim = fast_path.prepare(unit, sum(len(recipients_of(envelope.message)) for envelope in envelopes))
    references = await look_up(unit.conn, [(e.project, e.message) for e in envelopes])
    sizes = await attachments.touch(
        unit, {(e.project, a.digest) for e in envelopes for a in e.message.extras.attachments}
    )
    decided = [_decided(envelope, references, sizes, untracked) for envelope in envelopes]
    # a command that is twice in a batch is one mail
    queued = {intent.queued.email_id: intent for each in decided if isinstance(each, list) for intent in each}
    new = await intents.queue(unit, list(queued.values()))
    await attachments.refer(unit, _file_references(queued.values(), new))
    if fast_claim:
        await fast_claim.claim(unit, new)
    since = dict.fromkeys(new, unit.now)
    since |= await intents.queued_before(unit, {each for e in envelopes for each in _ids(e)} - new)
    return [_reply(envelope, each, since) for envelope, each in zip(envelopes, decided, strict=True)]


async def _check(untracked: bool, conn: Connection, project: UUID, query: CheckOrder) -> ValidatedEmail:
    references = await look_up(conn, [(project, query)])
    content = references.content(project, query)
    admit(query, content, references.status(project, content), untracked)
    return ValidatedEmail(kind=content.kind)


def _decided(
    envelope: Envelope[Command], references: References, sizes: Mapping[attachments.Key, int], untracked: bool
) -> list[Intent] | Rejected:
    project, command = envelope.project, envelope.message
    try:
        _require_files(envelope, sizes)
        content = references.content(project, command)
        events = decide(command, content, references.status(project, content), untracked)
    except Rejected as rejected:
        return rejected
    return [Intent(event, envelope, command.overrides or None) for event in events]


def _reply(envelope: Envelope[Command], decided: list[Intent] | Rejected, since: Mapping[UUID, datetime]) -> bytes:
    """Return the reply. Mails that were queued before stay queued, whatever would be decided now."""
    ids = _ids(envelope)
    if isinstance(decided, Rejected) and not since.keys() >= set(ids):
        return encode(decided.as_reply())
    return accepted_reply(_queued_view(envelope.message, ids, iso(min(since[each] for each in ids))))


def _ids(envelope: Envelope[Command]) -> list[UUID]:
    return [recipient.email_id for recipient in recipients_of(envelope.message)]


def _require_files(envelope: Envelope[Command], sizes: Mapping[attachments.Key, int]) -> None:
    for attachment in envelope.message.extras.attachments:
        if sizes.get((envelope.project, attachment.digest)) != attachment.size:
            raise Rejected("ATTACHMENT_NOT_FOUND", f"The bytes of {attachment.filename} have not been uploaded")


def _file_references(queued: Iterable[Intent], new: Set[UUID]) -> Iterator[tuple[UUID, UUID, str]]:
    """Yield the files that each of the new mails needs."""
    for intent in queued:
        if intent.queued.extras and intent.queued.email_id in new:
            for digest in {each.digest for each in intent.queued.extras.attachments}:
                yield intent.queued.email_id, intent.cause.project, digest


def _queued_view(command: Command, ids: list[UUID], timestamp: str) -> View:
    if isinstance(command, SendEmails):
        return QueuedEmails(emails=ids, timestamp=timestamp)
    return QueuedEmail(email=ids[0], timestamp=timestamp)
