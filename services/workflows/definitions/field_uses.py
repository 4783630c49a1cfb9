"""The query for workflows that use a custom field of contacts: in a condition, in a text, or by writing it."""

from uuid import UUID

import msgspec

from libs.kernel.field_references import refers_to_field
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.fields import FindFieldInWorkflows
from libs.schemas.contacts.segments import NamedReference

# A workflow whose steps do not contain the key cannot use the field; the rest are checked below.
WORKFLOWS = """
select id, name, steps::text as document
from workflow
where project = $1 and strpos(steps::text, $2) > 0
order by created_at desc, id desc
"""


async def find_field(conn: Connection, project: UUID, query: FindFieldInWorkflows) -> list[NamedReference]:
    rows = await conn.fetch(WORKFLOWS, project, encode(query.field).decode()[1:-1])
    return [
        NamedReference(id=row["id"], name=row["name"])
        for row in rows
        if refers_to_field(msgspec.json.decode(row["document"]), query.field)
    ]
