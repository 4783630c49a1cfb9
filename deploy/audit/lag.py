"""Lag: events that are recorded but not yet published or not yet handled. They are no difference."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import tag_of
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.inbox import RETENTION_DAYS
from libs.runtime.process.service import Service

UNPUBLISHED = """
select count(*) as events, extract(epoch from now() - min(recorded_at))::float as oldest
from {service}.outbox as waiting
join {service}.events as event
    on event.position >= waiting.position and event.position < waiting.position + waiting.events
where $1::uuid is null or project = $1
"""
UNHANDLED = """
select count(*) as events, extract(epoch from now() - min(recorded_at))::float as oldest from {source}.events
where type = any($2::text[]) and recorded_at > now() - make_interval(days => $3)
    and not exists (
        select from {source}.outbox as waiting
        where events.position >= waiting.position and events.position < waiting.position + waiting.events)
    and ($1::uuid is null or project = $1)
    and not exists (select from {service}.inbox where consumer = '{service}-events' and message_id = events.id)
"""


class Lag(msgspec.Struct, frozen=True, kw_only=True):
    """How many events of `source` have not reached `service`, and the age of the oldest in seconds.

    If both are the same service, its relay has not published the events yet.
    """

    source: str
    service: str
    events: int
    oldest: float


async def lags(conn: Connection, services: Sequence[Service], project: UUID | None) -> AsyncIterator[Lag]:
    """Yield the lag of every pair of services that has any."""
    for service in services:
        row = await conn.fetchrow(UNPUBLISHED.format(service=service.name), project, timeout=None)
        if row and row["events"]:
            yield Lag(source=service.name, service=service.name, **row)
        for source in sorted({kind.service for kind in service.foreign_events}):
            tags = [tag_of(kind) for kind in service.foreign_events if kind.service == source]
            query = UNHANDLED.format(source=source, service=service.name)
            row = await conn.fetchrow(query, project, tags, RETENTION_DAYS, timeout=None)
            if row and row["events"]:
                yield Lag(source=source, service=service.name, **row)
