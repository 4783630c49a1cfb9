"""Whom saving would leave as they are: so many of those who are written to that asking first is worth it."""

from uuid import UUID

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import FindKnown, KnownContact, SaveContact
from services.contacts.contacts.address import address_in
from services.contacts.contacts.contact import Contact, decide
from services.contacts.contacts.read_models import contact as contacts


async def find_known(conn: Connection, project: UUID, query: FindKnown) -> list[KnownContact | None]:
    addresses = [address_in(save.email) for save in query.contacts]
    rows = await contacts.load(conn, {(project, address) for address in addresses if address}, [])
    found = {row.contact.email: row.contact for row in rows}
    return [
        _known(save, found[address]) if address in found else None
        for save, address in zip(query.contacts, addresses, strict=True)
    ]


def _known(save: SaveContact, contact: Contact) -> KnownContact | None:
    """Decided as the command would be, so that nobody counts as known whom it would change."""
    try:
        changes = decide(save, contact)
    except Rejected:
        return None
    assert contact.id is not None
    return None if changes else KnownContact(id=contact.id, email=contact.email, subscribed=contact.subscribed)
