"""The versions of templates, read from their streams: the log keeps all of them."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import Codec
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.templates import TemplateContent, TemplateCreated, TemplateUpdated
from services.campaigns.templates.template import content_of

HISTORY = """
select version, data, recorded_at from events
where project = $1 and stream = $2 and type in ('template.created', 'template.updated')
order by version desc
"""
PAST = """
select events.project, events.stream, events.version, events.data
from unnest($1::uuid[], $2::text[], $3::int[]) as wanted (project, stream, version)
join events using (project, stream, version)
where type in ('template.created', 'template.updated')
"""

_codec: Codec[TemplateCreated | TemplateUpdated] = Codec((TemplateCreated, TemplateUpdated))

Version = tuple[UUID, UUID, int]
"""(project, template, version)"""


class PastVersion(msgspec.Struct, frozen=True):
    """One version of a template. `restored` is the older version whose content it took over, if any."""

    version: int
    content: TemplateContent
    restored: int | None
    at: datetime


async def history(conn: Connection, project: UUID, template_id: UUID) -> list[PastVersion]:
    """Return all versions of a template, newest first."""
    rows = await conn.fetch(HISTORY, project, _stream_of(template_id))
    found = [(row, _codec.decode(row["data"])) for row in rows]
    return [
        PastVersion(row["version"], content_of(event), _restored(event), row["recorded_at"]) for row, event in found
    ]


async def load(conn: Connection, versions: Collection[Version]) -> dict[Version, TemplateContent]:
    """Return the contents of the templates at these versions."""
    by_stream = {
        (project, _stream_of(template), version): (project, template, version)
        for project, template, version in versions
    }
    rows = await conn.fetch(PAST, *(list(column) for column in zip(*by_stream, strict=True))) if by_stream else []
    return {
        by_stream[row["project"], row["stream"], row["version"]]: content_of(_codec.decode(row["data"])) for row in rows
    }


def _stream_of(template_id: UUID) -> str:
    return f"template-{template_id}"


def _restored(event: TemplateCreated | TemplateUpdated) -> int | None:
    return event.restored if isinstance(event, TemplateUpdated) else None
