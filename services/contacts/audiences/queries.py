"""Queries about audiences."""

from collections.abc import Mapping
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.contacts.audiences import PreviewAudience
from libs.schemas.contacts.contacts import AudienceSize, CheckCondition
from services.contacts.audiences.preview import preview_audience
from services.contacts.segments.condition import check_condition, check_cost
from services.contacts.segments.matching import count_matching
from services.contacts.segments.references import load_referenced


async def count_audience(conn: Connection, project: UUID, query: CheckCondition) -> AudienceSize:
    check_condition(query.condition)
    check_cost(query.condition, await load_referenced(conn, project, query.condition))
    count = await count_matching(conn, project, query.condition, subscribed_only=query.subscribed_only)
    return AudienceSize(count=count)


QUERIES: Mapping[type[Query], QueryHandler] = {
    CheckCondition: count_audience,
    PreviewAudience: preview_audience,
}
