"""Commands on single emails: cancel a queued one, resend one whose outcome is unknown."""

from collections.abc import Sequence
from typing import TypeAlias
from uuid import UUID

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.delivery.emails import CancelEmail, EmailView, ResendEmail
from services.delivery.ledger import ledger
from services.delivery.ledger.email import Email, cancel_queued, resend_unknown
from services.delivery.ledger.queries import view_of

Command: TypeAlias = CancelEmail | ResendEmail


async def change_emails(unit: UnitOfWork, envelopes: Sequence[Envelope[Command]]) -> list[bytes]:
    """Cancel or resend the emails one by one, because such commands are rare."""
    return [await _reply(unit, envelope) for envelope in envelopes]


async def _reply(unit: UnitOfWork, envelope: Envelope[Command]) -> bytes:
    try:
        return accepted_reply(await _change(unit, envelope))
    except Rejected as rejected:
        return encode(rejected.as_reply())


async def _change(unit: UnitOfWork, envelope: Envelope[Command]) -> EmailView:
    project, email_id = envelope.project, envelope.message.email_id
    email = await _email(unit, project, email_id)
    decide = cancel_queued if isinstance(envelope.message, CancelEmail) else resend_unknown
    change = decide(email)
    if change and not await ledger.apply(unit, [(email, change)]):
        # The email changed after it was read: deciding again raises the rejection that fits.
        decide(await _email(unit, project, email_id))
        raise Rejected("EMAIL_BUSY", "The email is being processed right now. Try again.")
    await unit.flush()
    return await view_of(unit.conn, project, email_id)


async def _email(unit: UnitOfWork, project: UUID, email_id: UUID) -> Email:
    emails = [email for email in await ledger.read(unit.conn, [email_id]) if email.project == project]
    if not emails:
        raise Rejected("EMAIL_NOT_FOUND", "Email not found")
    return emails[0]
