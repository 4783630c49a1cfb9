"""Answers from the read models."""

from collections.abc import Mapping
from uuid import UUID

from libs.kernel.conditions.values import parse_instant
from libs.kernel.cursors import decode_cursor, encode_cursor, invalid_cursor
from libs.kernel.rejection import invalid
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bounded_page import fitting
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.audiences import PreviewAudience
from libs.schemas.contacts.contacts import (
    AudienceSize,
    CheckCondition,
    ContactCount,
    ContactLookup,
    ContactPage,
    ContactView,
    CountContacts,
    FindContact,
    FindKnown,
    GetContact,
    GetContactAt,
    GetContactHistory,
    HistoryPage,
    ListContacts,
    LookupContacts,
    Match,
    MatchContact,
)
from services.contacts.audiences.preview import preview_audience
from services.contacts.contacts import history
from services.contacts.contacts import search as searching
from services.contacts.contacts.address import address_in, parse
from services.contacts.contacts.errors import contact_not_found
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.unchanged_check import find_known
from services.contacts.contacts.views import contact_view, history_entry, view_of
from services.contacts.fields.queries import FIELD_QUERIES
from services.contacts.fields.read_models import contact_field
from services.contacts.segments import members
from services.contacts.segments.queries import SEGMENT_QUERIES

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
    known = await history.as_it_was(conn, project, query.contact_id, at)
    if known.contact.id is None or not known.contact.email:
        raise contact_not_found()
    assert known.created_at and known.updated_at
    return contact_view(known.contact, known.created_at, known.updated_at)


async def get_contact_history(conn: Connection, project: UUID, query: GetContactHistory) -> HistoryPage:
    """Of a contact that is deleted there is still what happened, and when."""
    limit, before = _within(query.limit), _version(query.cursor)
    found = await history.newest(conn, project, query.contact_id, before, limit + 1)
    if not found and query.cursor is None:
        raise contact_not_found()
    shown = fitting([history_entry(each) for each in found[:limit]])
    more = len(found) > len(shown)
    return HistoryPage(
        data=shown,
        cursor=str(shown[-1].version) if more else None,
        has_more=more,
        total=0 if query.cursor else found[0].version,
    )


async def find_contact(conn: Connection, project: UUID, query: FindContact) -> ContactView:
    found = await contacts.load(conn, [(project, parse(query.email))], [])
    if not found:
        raise contact_not_found()
    return view_of(found[0])


async def lookup_contacts(conn: Connection, project: UUID, query: LookupContacts) -> ContactLookup:
    """What is no address is no contact's."""
    if not query.emails:
        raise invalid("emails", "emails must be a non-empty array", "too_small")
    if len(query.emails) > MAX_LOOKUP:
        raise invalid("emails", f"Maximum {MAX_LOOKUP} emails per lookup", "too_big")
    addresses = {email: address_in(email) for email in query.emails}
    known = await contacts.known(conn, project, {address for address in addresses.values() if address})
    found = [email for email in query.emails if addresses[email] in known]
    return ContactLookup(found=found, not_found=[email for email in query.emails if addresses[email] not in known])


async def count_contacts(conn: Connection, project: UUID, query: CountContacts) -> ContactCount:
    return ContactCount(count=await contact_field.contacts(conn, project))


async def list_contacts(conn: Connection, project: UUID, query: ListContacts) -> ContactPage:
    """A limit beyond what is allowed is the nearest that is."""
    limit = _within(query.limit)
    after = decode_cursor(query.cursor) if query.cursor else contacts.FIRST
    search = _search(query.search)
    found = await _found(conn, project, after, search, limit + 1)
    shown = fitting([view_of(row) for row in found.rows[:limit]])
    place = _place_of(found.rows[len(shown) - 1]) if len(found.rows) > len(shown) else found.until
    more = place != searching.END
    return ContactPage(
        data=shown,
        cursor=encode_cursor(*place) if more else None,
        has_more=more,
        total=0 if query.cursor else await _total(conn, project, search, found),
    )


def _place_of(row: contacts.Row) -> searching.Place:
    return row.created_at, row.contact_id


async def match_contact(conn: Connection, project: UUID, query: MatchContact) -> Match:
    matches = await members.matches(conn, project, query.contact_id, query.condition)
    if matches is None:
        raise contact_not_found()
    return Match(matches=matches)


async def check_condition(conn: Connection, project: UUID, query: CheckCondition) -> AudienceSize:
    return AudienceSize(
        count=await members.count_matching(conn, project, query.condition, subscribed_only=query.subscribed_only)
    )


async def _found(
    conn: Connection, project: UUID, after: searching.Place, search: str | None, limit: int
) -> searching.Found:
    if search:
        return await searching.page(conn, project, after, search, limit)
    return searching.Found(await contacts.page(conn, project, after, limit), searching.END)


async def _total(conn: Connection, project: UUID, search: str | None, first: searching.Found) -> int:
    if search:
        return await searching.total(conn, project, search, first)
    return await contact_field.contacts(conn, project)


def _version(cursor: str | None) -> int:
    if cursor is None:
        return history.FROM_THE_END
    if not cursor.isdecimal() or int(cursor) > history.FROM_THE_END:
        raise invalid_cursor()
    return int(cursor)


def _search(text: str | None) -> str | None:
    if text and "\0" in text:
        raise invalid("search", "Must not contain a NUL character", "invalid_string")
    return text.strip().lower() if text else None


def _within(limit: int) -> int:
    return min(max(limit, 1), MAX_LIMIT)


QUERIES: Mapping[type[Query], QueryHandler] = {
    GetContact: get_contact,
    GetContactAt: get_contact_at,
    GetContactHistory: get_contact_history,
    FindContact: find_contact,
    FindKnown: find_known,
    **FIELD_QUERIES,
    LookupContacts: lookup_contacts,
    CountContacts: count_contacts,
    ListContacts: list_contacts,
    MatchContact: match_contact,
    CheckCondition: check_condition,
    PreviewAudience: preview_audience,
    **SEGMENT_QUERIES,
}
