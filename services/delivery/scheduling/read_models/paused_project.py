"""Projects whose bulk mail is paused: mails of campaigns and workflows stay queued until sending is resumed."""

from collections.abc import Sequence

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.feedback.reputation import SendingPaused, SendingResumed

NAME = "paused_project"
TABLES = ("paused_project",)
EVENTS = (SendingPaused, SendingResumed)
DDL = """
create table if not exists paused_project (
    project uuid primary key,
    paused boolean not null,
    version int not null
)
"""

# Of the events of a project's stream the latest one wins, in whatever order they arrive.
KEEP = """
insert into paused_project (project, paused, version) values ($1, $2, $3)
on conflict (project) do update set paused = excluded.paused, version = excluded.version
where excluded.version > paused_project.version
"""


async def project(conn: Connection, events: Sequence[Envelope[SendingPaused | SendingResumed]]) -> None:
    """Fold the events one by one, because they are rare."""
    for event in events:
        await conn.execute(KEEP, event.project, isinstance(event.message, SendingPaused), event.version)
