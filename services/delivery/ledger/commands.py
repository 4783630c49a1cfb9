"""What people do to single mails: cancel one that waits, send one again whose outcome is unknown."""

from collections.abc import Sequence
from uuid import UUID

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, UnitOfWork
from libs.schemas.delivery.emails import CancelEmail, EmailView, ResendEmail
from services.delivery.ledger import ledger
from services.delivery.ledger.email import cancel_queued, resend_unknown
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.queries import view_of
from services.delivery.rendering.content_cache import Shelf

Command = CancelEmail | ResendEmail


def change_emails(shelf: Shelf) -> BatchHandler:
    """Does it, or says why not, to one mail after the other: this is rare."""

    async def change(unit: UnitOfWork, envelopes: Sequence[Envelope[Command]]) -> list[bytes]:
        return [await _answer(unit, envelope, shelf) for envelope in envelopes]

    return change


async def _answer(unit: UnitOfWork, envelope: Envelope[Command], shelf: Shelf) -> bytes:
    try:
        return accepted_reply(await _change(unit, envelope, shelf))
    except Rejected as no:
        return encode(no.as_reply())


async def _change(unit: UnitOfWork, envelope: Envelope[Command], shelf: Shelf) -> EmailView:
    project, email_id = envelope.project, envelope.message.email_id
    mail = await _mail(unit, project, email_id, shelf)
    decide = cancel_queued if isinstance(envelope.message, CancelEmail) else resend_unknown
    change = decide(mail)
    if change and not await ledger.apply(unit, [(mail, change)]):
        # somebody else changed it since it was read: look again, which now says why not
        decide(await _mail(unit, project, email_id, shelf))
        raise Rejected("EMAIL_BUSY", "The mail is being handled at this moment. Try again.")
    await unit.flush()
    return await view_of(unit.conn, project, email_id)


async def _mail(unit: UnitOfWork, project: UUID, email_id: UUID, shelf: Shelf) -> Mail:
    mails = [mail for mail in await ledger.load(unit.conn, [email_id], shelf) if mail.project == project]
    if not mails:
        raise Rejected("EMAIL_NOT_FOUND", "Email not found")
    return mails[0]
