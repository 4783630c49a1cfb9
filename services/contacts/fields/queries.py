"""Answers about custom fields."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from libs.kernel.field_references import refers_to_field
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.fields import (
    FieldInSegments,
    FieldList,
    FieldType,
    FieldValues,
    FieldView,
    FindFieldInSegments,
    ListFields,
    ListFieldValues,
)
from libs.schemas.contacts.segments import NamedReference
from services.contacts.fields.read_models import contact_field
from services.contacts.segments.read_models import segment as segments

CUSTOM = "data."
STANDARD: Mapping[str, FieldType] = {
    "createdAt": "date",
    "email": "string",
    "subscribed": "boolean",
    "updatedAt": "date",
}
MAX_VALUES = 200


async def list_fields(conn: Connection, project: UUID, query: ListFields) -> FieldList:
    """By name. Every contact has the standard ones."""
    contacts = await contact_field.contacts(conn, project)
    custom = await contact_field.fields(conn, project)
    found = [FieldView(field=name, type_=kind, is_custom=False, coverage=100) for name, kind in STANDARD.items()]
    found += [
        FieldView(
            field=f"{CUSTOM}{name}", type_=known.type, is_custom=True, coverage=_percent(known.contacts, contacts)
        )
        for name, known in custom.items()
    ]
    return FieldList(fields=sorted(found, key=lambda view: view.field), count=len(found))


async def list_field_values(conn: Connection, project: UUID, query: ListFieldValues) -> FieldValues:
    """In the order of text. There is nothing to choose from for addresses and times."""
    limit = min(max(query.limit, 1), MAX_VALUES)
    if query.field in STANDARD:
        values = [True, False] if query.field == "subscribed" else []
    else:
        found = await contact_field.values(conn, project, key_of(query.field))
        values = sorted((value for value in found if value != ""), key=str)[:limit]
    return FieldValues(field=query.field, values=values, count=len(values), limit=limit)


async def find_field_in_segments(conn: Connection, project: UUID, query: FindFieldInSegments) -> FieldInSegments:
    rows = await segments.list_all(conn, project)
    known = (await contact_field.fields(conn, project, query.field)).get(query.field)
    return FieldInSegments(
        segments=[
            NamedReference(id=row.id, name=row.name)
            for row in rows
            if row.condition and refers_to_field(msgspec.to_builtins(row.condition), query.field)
        ],
        contact_count=known.contacts if known else 0,
    )


def key_of(field: str) -> str:
    """The key of contacts' data that a field is, with or without its prefix."""
    return field.removeprefix(CUSTOM)


def _percent(part: int, whole: int) -> int:
    """0 and 100 are said of none and all only."""
    if part in (0, whole):
        return 100 if part else 0
    return min(max(round(100 * part / whole), 1), 99)


FIELD_QUERIES: Mapping[type[Query], QueryHandler] = {
    ListFields: list_fields,
    ListFieldValues: list_field_values,
    FindFieldInSegments: find_field_in_segments,
}
