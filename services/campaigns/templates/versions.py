"""What templates said before: read from their own streams, which keep everything."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import Codec
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.templates import TemplateCreated, TemplateUpdated
from services.campaigns.templates.template import Said, said_by

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
"""Project, template, version."""


class Past(msgspec.Struct, frozen=True):
    """One version of a template."""

    version: int
    said: Said
    restored: int | None
    at: datetime


def stream_of(template_id: UUID) -> str:
    return f"template-{template_id}"


async def history(conn: Connection, project: UUID, template_id: UUID) -> list[Past]:
    """Newest first."""
    rows = await conn.fetch(HISTORY, project, stream_of(template_id))
    found = [(row, _codec.decode(row["data"])) for row in rows]
    return [Past(row["version"], said_by(event), _restored(event), row["recorded_at"]) for row, event in found]


async def load(conn: Connection, wanted: Collection[Version]) -> dict[Version, Said]:
    """What the templates said at these versions."""
    by_stream = {
        (project, stream_of(template), version): (project, template, version) for project, template, version in wanted
    }
    rows = await conn.fetch(PAST, *(list(column) for column in zip(*by_stream, strict=True))) if by_stream else []
    return {
        by_stream[row["project"], row["stream"], row["version"]]: said_by(_codec.decode(row["data"])) for row in rows
    }


def _restored(event: TemplateCreated | TemplateUpdated) -> int | None:
    return event.restored if isinstance(event, TemplateUpdated) else None
