"""The campaigns and templates that refer to a custom field of contacts, in an audience or in a text."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec

from libs.kernel.field_references import refers_to_field
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.store import Connection
from libs.schemas.contacts.fields import FieldInCampaigns, FindFieldInCampaigns
from libs.schemas.contacts.segments import NamedReference

# `strpos` only narrows the search down: `refers_to_field` decides. Finished campaigns are left out, they never change.
CAMPAIGNS = """
select id, name, jsonb_build_array(content, audience, preheader, ab_test)::text as document
from campaign
where project = $1 and status not in ('SENT', 'CANCELLED')
    and strpos(jsonb_build_array(content, audience, preheader, ab_test)::text, $2) > 0
order by created_at desc, id desc
"""
TEMPLATES = """
select id, name, content::text as document
from template
where project = $1 and strpos(content::text, $2) > 0
order by created_at desc, id desc
"""


async def find_field(conn: Connection, project: UUID, query: FindFieldInCampaigns) -> FieldInCampaigns:
    written = encode(query.field).decode()[1:-1]
    return FieldInCampaigns(
        campaigns=_referring(await conn.fetch(CAMPAIGNS, project, written), query.field),
        templates=_referring(await conn.fetch(TEMPLATES, project, written), query.field),
    )


def _referring(rows: Iterable[Any], key: str) -> list[NamedReference]:
    return [
        NamedReference(id=row["id"], name=row["name"])
        for row in rows
        if refers_to_field(msgspec.json.decode(row["document"]), key)
    ]
