"""Finds the segments whose conditions name a field."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from libs.kernel.field_references import refers_to_field
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.fields import FieldInSegments, FindFieldInSegments
from libs.schemas.contacts.segments import NamedReference
from services.contacts.fields.read_models import contact_field
from services.contacts.segments.read_models import segment as segments


async def find_field_in_segments(conn: Connection, project: UUID, query: FindFieldInSegments) -> FieldInSegments:
    rows = await segments.list_all(conn, project)
    return FieldInSegments(
        segments=[
            NamedReference(id=row.id, name=row.name)
            for row in rows
            if row.condition and refers_to_field(msgspec.to_builtins(row.condition), query.field)
        ],
        contact_count=await contact_field.count_contacts_with(conn, project, query.field),
    )


QUERIES: Mapping[type[Query], QueryHandler] = {FindFieldInSegments: find_field_in_segments}
