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

Key = tuple[UUID, UUID]
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


async def load(conn: Connection, versions: Collection[Version]) -> dict[Key, dict[int, TemplateContent]]:
    """Return the contents of templates at these versions, by (project, template) and version."""
    keys = {(project, _stream_of(template)): (project, template) for project, template, _ in versions}
    columns = [[project for project, _, _ in versions], [_stream_of(template) for _, template, _ in versions]]
    rows = await conn.fetch(PAST, *columns, [version for *_, version in versions]) if versions else []
    found: dict[Key, dict[int, TemplateContent]] = {}
    for row in rows:
        contents = found.setdefault(keys[row["project"], row["stream"]], {})
        contents[row["version"]] = content_of(_codec.decode(row["data"]))
    return found


def _stream_of(template_id: UUID) -> str:
    return f"template-{template_id}"


def _restored(event: TemplateCreated | TemplateUpdated) -> int | None:
    return event.restored if isinstance(event, TemplateUpdated) else None
