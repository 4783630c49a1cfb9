"""Answers about segments."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from libs.kernel.instants import iso
from libs.kernel.rejection import invalid
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bounded_page import exceeds_page
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
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
from services.contacts.contacts.errors import contact_not_found, segment_not_found
from services.contacts.contacts.views import segment_view, view_of
from services.contacts.segments import members
from services.contacts.segments.definitions import direct_dependents
from services.contacts.segments.explanation import explained
from services.contacts.segments.profile_loader import find_person
from services.contacts.segments.read_models import segment as segments
from services.contacts.segments.read_models import segment_list

MAX_PAGE_SIZE = 100
MAX_PAGE = 1_000_000
NOW = "select statement_timestamp()"


async def get_segment(conn: Connection, project: UUID, query: GetSegment) -> SegmentView:
    return await _view(conn, project, await _segment(conn, project, query.segment_id))


async def list_segments(conn: Connection, project: UUID, query: ListSegments) -> list[SegmentView]:
    return [await _view(conn, project, row) for row in await segments.list_all(conn, project)]


async def list_segment_contacts(conn: Connection, project: UUID, query: ListSegmentContacts) -> SegmentContacts:
    """A page or a size beyond what is allowed is the nearest that is."""
    row = await _segment(conn, project, query.segment_id)
    page, size = min(max(query.page, 1), MAX_PAGE), min(max(query.page_size, 1), MAX_PAGE_SIZE)
    found = await members.page(conn, project, row, limit=size, offset=(page - 1) * size)
    views = [view_of(each) for each in found]
    if exceeds_page(views):
        raise invalid("pageSize", "These contacts are more than one answer can carry; ask for fewer", "too_big")
    total = await members.count_all(conn, project, row)
    return SegmentContacts(data=views, total=total, page=page, page_size=size, total_pages=-(-total // size))


async def count_segment(conn: Connection, project: UUID, query: CountSegment) -> MemberCount:
    row = await _segment(conn, project, query.segment_id)
    return MemberCount(member_count=await members.count_all(conn, project, row))


async def find_references(conn: Connection, project: UUID, query: FindSegmentReferences) -> list[NamedReference]:
    row = await _segment(conn, project, query.segment_id)
    users = direct_dependents(row.id, await segments.list_all(conn, project))
    return [NamedReference(id=user.id, name=user.name) for user in users]


async def explain_membership(conn: Connection, project: UUID, query: ExplainMembership) -> Explanation:
    row = await _segment(conn, project, query.segment_id)
    person = await find_person(conn, project, query.contact_id, row.condition)
    if person is None:
        raise contact_not_found()
    now: datetime = await conn.fetchval(NOW)
    verdict = explained(row.condition, person, now) if row.condition else None
    since = (await segment_list.listed(conn, project, row.id, [query.contact_id])).get(query.contact_id)
    return Explanation(
        segment_id=row.id,
        contact_id=query.contact_id,
        matches=verdict.matches if verdict else since is not None,
        condition=verdict,
        member_since=iso(since) if since else None,
    )


async def _segment(conn: Connection, project: UUID, segment_id: UUID) -> segments.Row:
    row = await segments.find(conn, project, segment_id)
    if row is None:
        raise segment_not_found()
    return row


async def _view(conn: Connection, project: UUID, row: segments.Row) -> SegmentView:
    return segment_view(row, await members.count(conn, project, row))


SEGMENT_QUERIES: Mapping[type[Query], QueryHandler] = {
    GetSegment: get_segment,
    ListSegments: list_segments,
    ListSegmentContacts: list_segment_contacts,
    CountSegment: count_segment,
    FindSegmentReferences: find_references,
    ExplainMembership: explain_membership,
}
