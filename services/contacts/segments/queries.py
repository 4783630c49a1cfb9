"""Queries about segments."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from libs.kernel.instants import iso
from libs.kernel.paging import numbered_page
from libs.kernel.rejection import invalid
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bounded_page import exceeds_page
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.contacts import Match, MatchContact
from libs.schemas.contacts.segments import (
    CountSegment,
    ExplainMembership,
    Explanation,
    FindSegmentReferences,
    GetSegment,
    ListSegmentContacts,
    ListSegments,
    MemberCount,
    NamedReference,
    SegmentContacts,
    SegmentView,
)
from services.contacts.contacts.errors import contact_not_found
from services.contacts.contacts.views import view_of
from services.contacts.segments import matching, members
from services.contacts.segments.errors import segment_not_found
from services.contacts.segments.explanation import explain
from services.contacts.segments.profile_loader import load_profile
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models import segment_list
from services.contacts.segments.read_models.segment import SegmentRow
from services.contacts.segments.references import direct_dependents
from services.contacts.segments.views import segment_view

NOW = "select statement_timestamp()"


async def get_segment(conn: Connection, project: UUID, query: GetSegment) -> SegmentView:
    return await _view(conn, project, await _segment(conn, project, query.segment_id))


async def list_segments(conn: Connection, project: UUID, query: ListSegments) -> list[SegmentView]:
    return [await _view(conn, project, row) for row in await segments.list_all(conn, project)]


async def list_segment_contacts(conn: Connection, project: UUID, query: ListSegmentContacts) -> SegmentContacts:
    """Return a page of members. A page or size out of range is moved into it."""
    row = await _segment(conn, project, query.segment_id)
    page = numbered_page(query.page, query.page_size)
    found = await members.page(conn, project, row, limit=page.size, offset=page.offset)
    views = [view_of(each) for each in found]
    if exceeds_page(views):
        raise invalid(
            "pageSize", "The contacts of this page are too large for one response; use a smaller pageSize", "too_big"
        )
    total = await members.count_all(conn, project, row)
    return SegmentContacts(
        data=views, total=total, page=page.number, page_size=page.size, total_pages=page.page_count(total)
    )


async def count_segment(conn: Connection, project: UUID, query: CountSegment) -> MemberCount:
    row = await _segment(conn, project, query.segment_id)
    return MemberCount(member_count=await members.count_all(conn, project, row))


async def find_references(conn: Connection, project: UUID, query: FindSegmentReferences) -> list[NamedReference]:
    row = await _segment(conn, project, query.segment_id)
    users = direct_dependents(row.id, await segments.list_all(conn, project))
    return [NamedReference(id=user.id, name=user.name) for user in users]


async def explain_membership(conn: Connection, project: UUID, query: ExplainMembership) -> Explanation:
    row = await _segment(conn, project, query.segment_id)
    profile = await load_profile(conn, project, query.contact_id, row.condition)
    if profile is None:
        raise contact_not_found()
    now: datetime = await conn.fetchval(NOW)
    verdict = explain(row.condition, profile, now) if row.condition else None
    since = (await segment_list.listed(conn, project, row.id, [query.contact_id])).get(query.contact_id)
    return Explanation(
        segment_id=row.id,
        contact_id=query.contact_id,
        matches=verdict.matches if verdict else since is not None,
        condition=verdict,
        member_since=iso(since) if since else None,
    )


async def match_contact(conn: Connection, project: UUID, query: MatchContact) -> Match:
    matches = await matching.matches(conn, project, query.contact_id, query.condition)
    if matches is None:
        raise contact_not_found()
    return Match(matches=matches)


async def _segment(conn: Connection, project: UUID, segment_id: UUID) -> SegmentRow:
    row = await segments.find(conn, project, segment_id)
    if row is None:
        raise segment_not_found()
    return row


async def _view(conn: Connection, project: UUID, row: SegmentRow) -> SegmentView:
    return segment_view(row, await members.count(conn, project, row))


QUERIES: Mapping[type[Query], QueryHandler] = {
    GetSegment: get_segment,
    ListSegments: list_segments,
    ListSegmentContacts: list_segment_contacts,
    CountSegment: count_segment,
    FindSegmentReferences: find_references,
    ExplainMembership: explain_membership,
    MatchContact: match_contact,
}
