"""Queries about the reputation of a project."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.feedback.reputation import GetReputation, ReputationView
from services.feedback.reputation.read_models import reputation as reputations
from services.feedback.reputation.views import reputation_view


async def get_reputation(conn: Connection, project: UUID, _: GetReputation) -> ReputationView:
    now: datetime = await conn.fetchval("select now()")
    reputation, _version = (await reputations.load(conn, [project], now))[project]
    return reputation_view(project, reputation, now)


QUERIES: Mapping[type[Query], QueryHandler] = {GetReputation: get_reputation}
