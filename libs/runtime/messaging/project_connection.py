"""Connections for queries, whose session sees one project at a time.

Postgres shows the role of these sessions only rows of the project in the setting `godwit.project`: see
`libs.runtime.operations.row_security`.
"""

from typing import TYPE_CHECKING, cast
from uuid import UUID

import asyncpg

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection  # not generic at run time

SEE_ONLY = "select set_config('godwit.project', $1, false)"


def query_role_of(service: str) -> str:
    """Return the role of the service's queries, which sees one project at a time."""
    return f"godwit_{service}_query"


class ProjectConnection(_Connection):
    """A connection that knows which project its session sees."""

    project: UUID | None = None

    async def see_only(self, project: UUID) -> None:
        """Show this project to the session from now on. That costs nothing if it is the same as before."""
        if project != self.project:
            self.project = None
            await self.execute(SEE_ONLY, str(project))
            self.project = project


async def see_only(conn: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", project: UUID) -> None:
    """Show only this project to the session of a connection from the pool for queries."""
    await cast(ProjectConnection, conn).see_only(project)
