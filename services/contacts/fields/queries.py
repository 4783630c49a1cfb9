"""Queries about fields."""

from collections.abc import Mapping
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.fields import FieldList, FieldType, FieldValues, FieldView, ListFields, ListFieldValues
from services.contacts.fields.read_models import contact_field

CUSTOM_PREFIX = "data."
STANDARD: Mapping[str, FieldType] = {
    "createdAt": "date",
    "email": "string",
    "subscribed": "boolean",
    "updatedAt": "date",
}
MAX_VALUES = 200


async def list_fields(conn: Connection, project: UUID, query: ListFields) -> FieldList:
    """Return all fields by name. Every contact has the standard ones."""
    contacts = await contact_field.count_contacts(conn, project)
    custom = await contact_field.load_fields(conn, project)
    views = [FieldView(field=name, type_=kind, is_custom=False, coverage=100) for name, kind in STANDARD.items()]
    views += [
        FieldView(
            field=f"{CUSTOM_PREFIX}{name}",
            type_=field.type,
            is_custom=True,
            coverage=_percent(field.contacts, contacts),
        )
        for name, field in custom.items()
    ]
    return FieldList(fields=sorted(views, key=lambda view: view.field), count=len(views))


async def list_field_values(conn: Connection, project: UUID, query: ListFieldValues) -> FieldValues:
    """Return the field's values in text order; none for addresses and times."""
    limit = min(max(query.limit, 1), MAX_VALUES)
    if query.field in STANDARD:
        values = [True, False] if query.field == "subscribed" else []
    else:
        found = await contact_field.load_values(conn, project, query.field.removeprefix(CUSTOM_PREFIX))
        values = sorted((value for value in found if value != ""), key=str)[:limit]
    return FieldValues(field=query.field, values=values, count=len(values), limit=limit)


def _percent(part: int, whole: int) -> int:
    """Return the part in percent. 0 and 100 are exact: what rounds to them becomes 1 or 99."""
    if part in (0, whole):
        return 100 if part else 0
    return min(max(round(100 * part / whole), 1), 99)


QUERIES: Mapping[type[Query], QueryHandler] = {
    ListFields: list_fields,
    ListFieldValues: list_field_values,
}
