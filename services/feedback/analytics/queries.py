"""Queries about the mail of a project per day."""

from collections.abc import Mapping
from uuid import UUID

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.feedback.mails import Day, GetTimeseries
from services.feedback.analytics.read_models import hourly_counts


async def get_timeseries(conn: Connection, project: UUID, query: GetTimeseries) -> list[Day]:
    return await hourly_counts.days(conn, project, query.start, query.end)


QUERIES: Mapping[type[Query], QueryHandler] = {GetTimeseries: get_timeseries}
