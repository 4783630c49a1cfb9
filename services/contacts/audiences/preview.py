"""Who a campaign would reach if it was sent now, and who would be left out, and why."""

from uuid import UUID

import asyncpg

from libs.kernel.paging import numbered_page
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.audiences import (
    AudienceContact,
    AudiencePreview,
    ExclusionReason,
    PreviewAudience,
)
from services.contacts.audiences.resolving import Unresolvable, meant
from services.contacts.segments.condition import EVERYONE, Predicate, compiled
from services.contacts.segments.definitions import referenced

COUNT = """
select count(*) as total, count(*) filter (where subscribed or not $2) as count
from contact {joins}
where contact.project = $1 and {matching}
    and (cardinality($3::uuid[]) = 0 or (
        select count(*) from segment_list
        where segment_list.project = $1 and segment_list.contact_id = contact.id and segment_id = any($3::uuid[])
    ) = cardinality($3::uuid[]))
"""
PAGE = """
select id, email, subscribed, snoozed_until
from contact {joins}
where contact.project = $1 and {matching}
    and (cardinality($2::uuid[]) = 0 or (
        select count(*) from segment_list
        where segment_list.project = $1 and segment_list.contact_id = contact.id and segment_id = any($2::uuid[])
    ) = cardinality($2::uuid[]))
order by id
limit $3 offset $4
"""


async def preview_audience(conn: Connection, project: UUID, query: PreviewAudience) -> AudiencePreview:
    try:
        condition, lists = await meant(conn, project, query.audience)
    except Unresolvable as gone:
        raise Rejected("SEGMENT_NOT_FOUND", "Segment not found") from gone
    known = await referenced(conn, project, condition) if condition else {}
    page = numbered_page(query.page, query.page_size)
    matching = compiled(condition, known, after=3) if condition else EVERYONE
    size = await conn.fetchrow(_filled(COUNT, matching), project, query.subscribed_only, lists, *matching.args)
    matching = compiled(condition, known, after=4) if condition else EVERYONE
    rows = await conn.fetch(_filled(PAGE, matching), project, lists, page.size, page.offset, *matching.args)
    assert size, "counting always answers"
    return AudiencePreview(
        data=[_contact(row, query.subscribed_only) for row in rows],
        count=size["count"],
        total=size["total"],
        page=page.number,
        page_size=page.size,
        total_pages=page.page_count(size["total"]),
    )


def _contact(row: asyncpg.Record, subscribed_only: bool) -> AudienceContact:
    reason: ExclusionReason | None = None
    if subscribed_only and not row["subscribed"]:
        reason = "snoozed" if row["snoozed_until"] else "unsubscribed"
    return AudienceContact(id=row["id"], email=row["email"], subscribed=row["subscribed"], left_out=reason)


def _filled(statement: str, matching: Predicate) -> str:
    """The predicate holds no value of anyone's: only fixed pieces and placeholders."""
    return statement.format(joins=matching.joins, matching=matching.sql)
