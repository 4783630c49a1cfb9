"""Queries on sending domains."""

from uuid import UUID

import asyncpg

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.schemas.delivery.domains import DomainView, GetDomain, ListDomains
from services.delivery.domains import identity_checks
from services.delivery.domains.identity_checks import Check
from services.delivery.domains.read_models import domain as domains
from services.delivery.domains.views import DomainViews


class DomainQueries:
    """Handles queries about domains."""

    def __init__(self, views: DomainViews) -> None:
        self._views = views

    async def list(self, conn: Connection, project: UUID, query: ListDomains) -> "list[DomainView]":
        rows = await domains.of_project(conn, project)
        checks = await identity_checks.checks(conn, project, [row["id"] for row in rows])
        return [self._view(row, checks.get(row["id"])) for row in rows]

    async def get(self, conn: Connection, project: UUID, query: GetDomain) -> DomainView:
        row = await domains.one(conn, project, query.domain_id)
        if row is None:
            raise Rejected("DOMAIN_NOT_FOUND", "Domain not found")
        checks = await identity_checks.checks(conn, project, [row["id"]])
        return self._view(row, checks.get(row["id"]))

    def _view(self, row: asyncpg.Record, check: Check | None) -> DomainView:
        return self._views.view(row["project"], domains.domain_of(row), check, row["updated_at"])
