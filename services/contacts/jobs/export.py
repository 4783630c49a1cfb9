"""Exports contacts page by page in the order of their ids, so memory use does not grow with their number."""

from collections.abc import Mapping
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bounded_page import fitting
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.jobs import DataKeys, ExportContacts, ExportPage, ListDataKeys
from services.contacts.audiences.selection import Selection, load_members
from services.contacts.contacts.read_models import contact as contacts
from services.contacts.contacts.views import view_of
from services.contacts.segments.errors import segment_not_found
from services.contacts.segments.read_models import segment as segments

MAX_CONTACTS = 1000
MAX_CONTACTS_FOR_KEYS = 20_000

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
    selection = await _select(conn, project, query.segment_id)
    found = await load_members(conn, project, selection, after=query.after, subscribed_only=False, limit=MAX_CONTACTS)
    rows = await contacts.load(conn, [], [(project, each.contact_id) for each in found])
    views = sorted((view_of(row) for row in rows), key=lambda view: view.id)
    shown = fitting(views)
    is_cut = len(shown) < len(views)
    last = shown[-1].id if is_cut else found[-1].contact_id if found else None
    return ExportPage(data=shown, after=last if is_cut or len(found) == MAX_CONTACTS else None)


async def list_data_keys(conn: Connection, project: UUID, query: ListDataKeys) -> DataKeys:
    row = await conn.fetchrow(KEYS, project, query.after, MAX_CONTACTS_FOR_KEYS)
    assert row
    return DataKeys(keys=row["keys"] or [], after=row["last"] if row["rows"] == MAX_CONTACTS_FOR_KEYS else None)


async def _select(conn: Connection, project: UUID, segment_id: UUID | None) -> Selection:
    """Return the selection of the segment's members; without a segment, of everyone."""
    if segment_id is None:
        return Selection()
    row = await segments.find(conn, project, segment_id)
    if row is None:
        raise segment_not_found()
    return Selection(row.condition) if row.condition else Selection(lists=(row.id,))


QUERIES: Mapping[type[Query], QueryHandler] = {ExportContacts: export_contacts, ListDataKeys: list_data_keys}
