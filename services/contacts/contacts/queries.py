"""Queries about contacts."""

from collections.abc import Mapping
from uuid import UUID

from libs.kernel.addresses import normalize_address
from libs.kernel.conditions.values import parse_instant
from libs.kernel.cursors import decode_cursor, encode_cursor, invalid_cursor
from libs.kernel.rejection import invalid
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bounded_page import fitting
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.contacts import (
    ContactCount,
    ContactLookup,
    ContactPage,
    ContactView,
    CountContacts,
    FindContact,
    FindUnchangedContacts,
    GetContact,
    GetContactAt,
    GetContactHistory,
    HistoryPage,
    ListContacts,
    LookupContacts,
)
from services.contacts.contacts import history
from services.contacts.contacts import search as searching
from services.contacts.contacts.address import parse
from services.contacts.contacts.errors import contact_not_found
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.unchanged_check import find_unchanged
from services.contacts.contacts.views import contact_view, history_entry, view_of
from services.contacts.fields.read_models import contact_field

MAX_LIMIT = 100
MAX_LOOKUP = 500


async def get_contact(conn: Connection, project: UUID, query: GetContact) -> ContactView:
    found = await contacts.load(conn, [], [(project, query.contact_id)])
    if not found:
        raise contact_not_found()
    return view_of(found[0])


async def get_contact_at(conn: Connection, project: UUID, query: GetContactAt) -> ContactView:
    at = parse_instant(query.at)
    if at is None:
        raise invalid("at", "Must be an instant in ISO 8601, such as 2026-05-06T07:08:09Z", "invalid_date")
    state = await history.load_at(conn, project, query.contact_id, at)
    if state.contact.id is None or not state.contact.email:
        raise contact_not_found()
    assert state.created_at and state.updated_at
    return contact_view(state.contact, state.created_at, state.updated_at)


async def get_contact_history(conn: Connection, project: UUID, query: GetContactHistory) -> HistoryPage:
    """Return the contact's events, newest first. Those of a deleted contact have no personal content."""
    limit, before = _clamp(query.limit), _version(query.cursor)
    found = await history.load_newest(conn, project, query.contact_id, before, limit + 1)
    if not found and query.cursor is None:
        raise contact_not_found()
    shown = fitting([history_entry(each) for each in found[:limit]])
    has_more = len(found) > len(shown)
    return HistoryPage(
        data=shown,
        cursor=str(shown[-1].version) if has_more else None,
        has_more=has_more,
        total=0 if query.cursor else found[0].version,
    )


async def find_contact(conn: Connection, project: UUID, query: FindContact) -> ContactView:
    found = await contacts.load(conn, [(project, parse(query.email))], [])
    if not found:
        raise contact_not_found()
    return view_of(found[0])


async def lookup_contacts(conn: Connection, project: UUID, query: LookupContacts) -> ContactLookup:
    """Return which emails belong to contacts. An invalid address belongs to none."""
    if not query.emails:
        raise invalid("emails", "emails must be a non-empty array", "too_small")
    if len(query.emails) > MAX_LOOKUP:
        raise invalid("emails", f"Maximum {MAX_LOOKUP} emails per lookup", "too_big")
    addresses = {email: normalize_address(email) for email in query.emails}
    taken = await contacts.filter_taken(conn, project, {address for address in addresses.values() if address})
    found = [email for email in query.emails if addresses[email] in taken]
    return ContactLookup(found=found, not_found=[email for email in query.emails if addresses[email] not in taken])


async def count_contacts(conn: Connection, project: UUID, query: CountContacts) -> ContactCount:
    return ContactCount(count=await contact_field.count_contacts(conn, project))


async def list_contacts(conn: Connection, project: UUID, query: ListContacts) -> ContactPage:
    """Return a page of contacts, newest first. A limit out of range is moved into it."""
    limit = _clamp(query.limit)
    after = decode_cursor(query.cursor) if query.cursor else contacts.FIRST
    search = _search(query.search)
    result = await _page(conn, project, after, search, limit + 1)
    shown = fitting([view_of(row) for row in result.rows[:limit]])
    is_cut = len(result.rows) > len(shown)
    position = _position_of(result.rows[len(shown) - 1]) if is_cut else result.until
    has_more = position != searching.END
    return ContactPage(
        data=shown,
        cursor=encode_cursor(*position) if has_more else None,
        has_more=has_more,
        total=0 if query.cursor else await _total(conn, project, search, result),
    )


def _position_of(row: contacts.ContactRow) -> searching.Position:
    return row.created_at, row.contact_id


async def _page(
    conn: Connection, project: UUID, after: searching.Position, search: str | None, limit: int
) -> searching.SearchResult:
    if search:
        return await searching.page(conn, project, after, search, limit)
    return searching.SearchResult(await contacts.page(conn, project, after, limit), searching.END)


async def _total(conn: Connection, project: UUID, search: str | None, first: searching.SearchResult) -> int:
    if search:
        return await searching.total(conn, project, search, first)
    return await contact_field.count_contacts(conn, project)


def _version(cursor: str | None) -> int:
    if cursor is None:
        return history.END_OF_STREAM
    if not cursor.isdecimal() or int(cursor) > history.END_OF_STREAM:
        raise invalid_cursor()
    return int(cursor)


def _search(text: str | None) -> str | None:
    if text and "\0" in text:
        raise invalid("search", "Must not contain a NUL character", "invalid_string")
    return text.strip().lower() if text else None


def _clamp(limit: int) -> int:
    return min(max(limit, 1), MAX_LIMIT)


QUERIES: Mapping[type[Query], QueryHandler] = {
    GetContact: get_contact,
    GetContactAt: get_contact_at,
    GetContactHistory: get_contact_history,
    FindContact: find_contact,
    FindUnchangedContacts: find_unchanged,
    LookupContacts: lookup_contacts,
    CountContacts: count_contacts,
    ListContacts: list_contacts,
}
