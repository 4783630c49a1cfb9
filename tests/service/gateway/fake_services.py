"""Fakes of the services behind the gateway: real runtime, real inbox, real bus, canned results."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.runtime.process.service import Service
from libs.schemas.base import Data, View
from libs.schemas.campaigns.templates import CreateTemplate, TemplateView
from libs.schemas.contacts.contacts import (
    AskForConfirmation,
    ContactView,
    FindContact,
    FindUnchangedContacts,
    GetContact,
    SaveContact,
    SavedContact,
    SavedMeta,
    SubscribeContact,
    TrackedEvent,
    TrackEvent,
    UnchangedContact,
    UnsubscribeContact,
)
from libs.schemas.contacts.jobs import (
    JobAccepted,
    StartBulk,
    StartImport,
    StoredChunk,
    StoreImportChunk,
)
from libs.schemas.delivery.content import KeptPiece, StoreFilePiece
from libs.schemas.delivery.domains import AddDomain, DomainView
from libs.schemas.delivery.emails import (
    CheckOrder,
    QueuedEmail,
    QueuedEmails,
    SendEmail,
    SendEmails,
    ValidatedEmail,
)

ABOUT_CONTACTS = (TrackEvent, SaveContact, SubscribeContact, UnsubscribeContact)
NO_MIGRATIONS = Path(__file__).parent / "no_migrations"
REFUSED = "refused"
"""In an address: the service rejects the command."""
SUBSCRIBER = "subscriber"
"""In an address: its contact is subscribed. Others are not."""
SETTLED = "settled"
"""In an address: the request would not change its contact."""
STRICT = "strict"
"""In a subject: delivery sends the mail to subscribed contacts only."""
UNSENDABLE = "unsendable"
"""In a subject: delivery rejects the mail."""


class FakeService:
    """A service that records its commands and returns canned results. It waits while `open` is cleared."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.seen: list[Envelope[Any]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.subscribed: dict[UUID, bool] = {}
        self.snoozed: dict[UUID, str] = {}
        self.data: dict[UUID, Data] = {}
        self.addresses: dict[UUID, str] = {}

    def service(self) -> Service:
        commands = {
            "contacts": (*ABOUT_CONTACTS, AskForConfirmation, StoreImportChunk, StartImport, StartBulk),
            "delivery": (SendEmail, SendEmails, AddDomain, StoreFilePiece),
            "campaigns": (CreateTemplate,),
        }[self.name]
        asked: dict[str, Any] = {
            "contacts": {GetContact: self._contact, FindContact: self._find, FindUnchangedContacts: self._known},
            "delivery": {CheckOrder: self._check},
        }
        queries = asked.get(self.name, {})
        return Service(
            name=self.name,
            commands=dict.fromkeys(commands, self._handle),
            queries=queries,
            migrations=NO_MIGRATIONS,
        )

    def done_for(self, project: UUID) -> list[Any]:
        """Return the messages that were handled for a project, each once."""
        return [envelope.message for envelope in self.seen if envelope.project == project]

    async def _handle(self, unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
        await self.open.wait()
        return [self._answer(unit, envelope) for envelope in envelopes]

    def _answer(self, unit: UnitOfWork, envelope: Envelope[Any]) -> bytes:
        try:
            view = self._decide(iso(unit.now), envelope.message)
        except Rejected as no:
            return encode(no.as_reply())
        self.seen.append(envelope)
        return accepted_reply(view)

    def _decide(self, now: str, message: Any) -> View:
        match message:
            case TrackEvent() | SaveContact() if REFUSED in message.email:
                raise Rejected("VALIDATION_ERROR", "Request validation failed")
            case TrackEvent():
                return TrackedEvent(contact=message.contact_id, event=message.event_id, timestamp=now)
            case SaveContact():
                new = "known" not in message.email
                return SavedContact(
                    id=message.contact_id,
                    email=message.email.strip().lower(),
                    subscribed=SUBSCRIBER in message.email,
                    data=message.data,
                    created_at=now,
                    updated_at=now,
                    meta=SavedMeta(is_new=new, is_update=not new),
                )
            case StoreFilePiece():
                return KeptPiece(digest=message.digest, number=message.number)
            case SendEmail():
                return QueuedEmail(email=message.email_id, timestamp=now)
            case SendEmails():
                return QueuedEmails(emails=[each.email_id for each in message.recipients], timestamp=now)
            case AskForConfirmation():
                return self._view(message.contact_id)
            case AddDomain():
                return DomainView(
                    id=message.domain_id,
                    domain=message.domain,
                    verified=message.verified,
                    tokens=[],
                    created_at=now,
                    updated_at=now,
                )
            case CreateTemplate():
                return _template(now, message)
            case StoreImportChunk():
                return StoredChunk(number=message.number)
            case StartImport() | StartBulk():
                job_id = message.import_id if isinstance(message, StartImport) else message.job_id
                return JobAccepted(message="Queued", job_id=job_id)
            case _:
                self.subscribed[message.contact_id] = isinstance(message, SubscribeContact)
                self.snoozed[message.contact_id] = getattr(message, "until", None) or ""
                return self._view(message.contact_id)

    async def _contact(self, conn: Connection, project: UUID, query: GetContact) -> ContactView:
        if query.contact_id not in self.subscribed:
            raise Rejected("CONTACT_NOT_FOUND", "Contact not found")
        return self._view(query.contact_id)

    async def _find(self, conn: Connection, project: UUID, query: FindContact) -> ContactView:
        if SUBSCRIBER not in query.email:
            raise Rejected("CONTACT_NOT_FOUND", "Contact not found")
        return ContactView(id=project, email=query.email, subscribed=True, data={}, created_at="", updated_at="")

    async def _known(
        self, conn: Connection, project: UUID, query: FindUnchangedContacts
    ) -> list[UnchangedContact | None]:
        return [
            UnchangedContact(id=project, email=each.email, subscribed=False) if SETTLED in each.email else None
            for each in query.contacts
        ]

    async def _check(self, conn: Connection, project: UUID, query: CheckOrder) -> ValidatedEmail:
        said = query.content.subject if query.content else ""
        if UNSENDABLE in said:
            raise Rejected("DOMAIN_NOT_REGISTERED", "Domain is not registered")
        return ValidatedEmail(kind="MARKETING" if STRICT in said else "TRANSACTIONAL")

    def _view(self, contact_id: UUID) -> ContactView:
        return ContactView(
            id=contact_id,
            email=self.addresses.get(contact_id, "ada@example.com"),
            subscribed=self.subscribed[contact_id],
            data=self.data.get(contact_id, {}),
            snoozed_until=self.snoozed.get(contact_id) or msgspec.UNSET,
            created_at="",
            updated_at="",
        )


def _template(now: str, message: CreateTemplate) -> TemplateView:
    content = message.content
    return TemplateView(
        id=message.template_id,
        name=message.name,
        description=message.description,
        subject=content.subject,
        body=content.body,
        from_email=content.from_email,
        from_name=content.from_name,
        reply_to=content.reply_to,
        kind=content.kind,
        created_at=now,
        updated_at=now,
    )
