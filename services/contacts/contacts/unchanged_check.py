"""The unchanged check: contacts that saving would not change.

Most recipients of transactional mail are such contacts, so asking first is cheaper than a command that changes nothing.
"""

from uuid import UUID

from libs.kernel.addresses import normalize_address
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.contacts import FindUnchangedContacts, SaveContact, UnchangedContact
from services.contacts.contacts.contact import Contact, decide
from services.contacts.contacts.read_models import contact as contacts


async def find_unchanged(
    conn: Connection, project: UUID, query: FindUnchangedContacts
) -> list[UnchangedContact | None]:
    addresses = [normalize_address(save.email) for save in query.contacts]
    rows = await contacts.load(conn, {(project, address) for address in addresses if address}, [])
    found = {row.contact.email: row.contact for row in rows}
    return [
        _unchanged(save, found[address]) if address in found else None
        for save, address in zip(query.contacts, addresses, strict=True)
    ]


def _unchanged(save: SaveContact, contact: Contact) -> UnchangedContact | None:
    """Run the command's own decider, so no contact that the command would change passes as unchanged."""
    try:
        changes = decide(save, contact)
    except Rejected:
        return None
    assert contact.id is not None
    return None if changes else UnchangedContact(id=contact.id, email=contact.email, subscribed=contact.subscribed)
