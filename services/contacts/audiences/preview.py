"""Previews an audience: the contacts a campaign would reach if it were sent now, and who would be left out and why."""

from uuid import UUID

import asyncpg

from libs.kernel.paging import numbered_page
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.audiences import AudienceContact, AudiencePreview, ExclusionReason, PreviewAudience
from services.contacts.audiences.selection import ON_ALL_LISTS, Unresolvable, resolve
from services.contacts.segments.condition import check_cost
from services.contacts.segments.errors import segment_not_found
from services.contacts.segments.matching import fill, predicate_of
from services.contacts.segments.references import load_referenced

COUNT = """
select count(*) as total, count(*) filter (where subscribed or not $2) as count
from contact {joins}
where contact.project = $1 and {matching}
    and {on_all_lists}
"""
PAGE = """
select id, email, subscribed, snoozed_until
from contact {joins}
where contact.project = $1 and {matching}
    and {on_all_lists}
order by id
limit $3 offset $4
"""


async def preview_audience(conn: Connection, project: UUID, query: PreviewAudience) -> AudiencePreview:
    try:
        selection = await resolve(conn, project, query.audience)
    except Unresolvable as missing:
        raise segment_not_found() from missing
    if query.audience.audience_type == "FILTERED" and selection.condition:
        check_cost(selection.condition, await load_referenced(conn, project, selection.condition))
    page = numbered_page(query.page, query.page_size)
    matching = await predicate_of(conn, project, selection.condition, after=3)
    statement = fill(COUNT, matching, on_all_lists=ON_ALL_LISTS.format(lists="$3"))
    counts = await conn.fetchrow(statement, project, query.subscribed_only, selection.lists, *matching.args)
    matching = await predicate_of(conn, project, selection.condition, after=4)
    statement = fill(PAGE, matching, on_all_lists=ON_ALL_LISTS.format(lists="$2"))
    rows = await conn.fetch(statement, project, selection.lists, page.size, page.offset, *matching.args)
    assert counts, "an aggregate always returns a row"
    return AudiencePreview(
        data=[_contact(row, query.subscribed_only) for row in rows],
        count=counts["count"],
        total=counts["total"],
        page=page.number,
        page_size=page.size,
        total_pages=page.page_count(counts["total"]),
    )


def _contact(row: asyncpg.Record, subscribed_only: bool) -> AudienceContact:
    reason: ExclusionReason | None = None
    if subscribed_only and not row["subscribed"]:
        reason = "snoozed" if row["snoozed_until"] else "unsubscribed"
    return AudienceContact(id=row["id"], email=row["email"], subscribed=row["subscribed"], left_out=reason)
