"""The commands and queries of projects."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.gateway import GetProject, ProjectView, UpdateProject
from services.gateway.accounts import project
from services.gateway.accounts.project import Project
from services.gateway.accounts.read_models import project as rows


def change_projects(untracked: bool) -> Aggregate[Project]:
    """Return the handler of the commands. `untracked`: this installation can send without tracking."""
    return Aggregate(project, key=_key, load=partial(_load, untracked), reply=_reply)


async def get_project(conn: Connection, project_id: UUID, _: GetProject) -> ProjectView:
    row = (await rows.load(conn, [project_id])).get(project_id)
    if row is None:
        raise Rejected("PROJECT_NOT_FOUND", "Project not found")
    return _view(_state(row, False), row.updated_at)


QUERIES: Mapping[type[Query], QueryHandler] = {GetProject: get_project}


def _key(envelope: Envelope[UpdateProject]) -> UUID | None:
    """A project of somebody else is treated like one that does not exist."""
    return envelope.project if envelope.message.project_id == envelope.project else None


async def _load(
    untracked: bool, conn: Connection, envelopes: Sequence[Envelope[Any]]
) -> Mapping[Hashable, Loaded[Project]]:
    found = await rows.load(conn, [key for envelope in envelopes if (key := _key(envelope))])
    return {
        id: Loaded(state=_state(row, untracked), stream=f"project-{id}", version=row.version)
        for id, row in found.items()
    }


def _state(row: rows.ProjectRow, untracked: bool) -> Project:
    return Project(
        id=row.id,
        name=row.name,
        language=row.language,
        timezone=row.timezone,
        tracking=row.tracking,
        created_at=row.created_at,
        updated_at=row.updated_at,
        untracked=untracked,
    )


def _reply(_: Envelope[Any], state: Project, events: Sequence[Any], now: datetime) -> ProjectView:
    assert state.updated_at
    return _view(state, now if events else state.updated_at)


def _view(state: Project, updated_at: datetime) -> ProjectView:
    assert state.id and state.created_at
    return ProjectView(
        id=state.id,
        name=state.name,
        language=state.language,
        timezone=state.timezone,
        tracking=state.tracking,
        created_at=iso(state.created_at),
        updated_at=iso(updated_at),
    )
