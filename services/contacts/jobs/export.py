"""Contacts on their way out: page by page in the order of their ids, so that nothing is held however many there are."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bounded_page import fitting
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.contacts import Condition
from libs.schemas.contacts.jobs import (
    DataKeys,
    ExportContacts,
    ExportPage,
    ListDataKeys,
)
from services.contacts.contacts.errors import segment_not_found
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.views import view_of
from services.contacts.segments import members
from services.contacts.segments.read_models import segment as segments

MOST = 1000
MAX_FOR_KEYS = 20_000

KEYS = """
with page as materialized (
    select id, data from contact where project = $1 and id > $2 order by id limit $3
)
select
    (select array_agg(distinct key) from page, jsonb_object_keys(data) as key) as keys,
    (select id from page order by id desc limit 1) as last,
    (select count(*) from page) as rows
"""


async def export_contacts(conn: Connection, project: UUID, query: ExportContacts) -> ExportPage:
    condition, lists = await _whom(conn, project, query.segment_id)
    found = await members.audience(
        conn, project, condition, lists=lists, after=query.after, subscribed_only=False, limit=MOST
    )
    rows = await contacts.load(conn, [], [(project, each.contact_id) for each in found])
    views = sorted((view_of(row) for row in rows), key=lambda view: view.id)
    shown = fitting(views)
    more = len(shown) < len(views) or len(found) == MOST
    last = shown[-1].id if len(shown) < len(views) else found[-1].contact_id if found else None
    return ExportPage(data=shown, after=last if more else None)


async def list_data_keys(conn: Connection, project: UUID, query: ListDataKeys) -> DataKeys:
    row = await conn.fetchrow(KEYS, project, query.after, MAX_FOR_KEYS)
    assert row
    return DataKeys(keys=row["keys"] or [], after=row["last"] if row["rows"] == MAX_FOR_KEYS else None)


async def _whom(conn: Connection, project: UUID, segment_id: UUID | None) -> tuple[Condition | None, Sequence[UUID]]:
    """The condition and the list that mean the segment's members."""
    if segment_id is None:
        return None, ()
    row = await segments.find(conn, project, segment_id)
    if row is None:
        raise segment_not_found()
    return (row.condition, ()) if row.condition else (None, (row.id,))


QUERIES: Mapping[type[Query], QueryHandler] = {ExportContacts: export_contacts, ListDataKeys: list_data_keys}
