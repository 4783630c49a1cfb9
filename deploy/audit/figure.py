"""Figures that are counted twice, and the comparison of both counts."""

from collections.abc import AsyncIterator, Iterable
from uuid import UUID

import msgspec

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.inbox import RETENTION_DAYS

# Both sides return (project, figure, key, n) and are compared key by key, so that two mistakes cannot cancel out.
# A counted n of null means that the log cannot tell; then the shown count is believed.
COMPARE = """
with counted as (
    select * from ({counted}) as told where $1::uuid is null or project = $1
), shown as (
    select * from ({shown}) as told where $1::uuid is null or project = $1
), pairs as (
    select project, figure, key, coalesce(shown.n, 0) as shown,
        case when counted.n is null and counted.key is not null then coalesce(shown.n, 0)
            else coalesce(counted.n, 0) end as counted
    from counted full join shown using (project, figure, key)
)
select project, figure, sum(counted)::bigint as counted, sum(shown)::bigint as shown,
    count(*) filter (where counted <> shown)::bigint as wrong, min(key) filter (where counted <> shown) as example
from pairs group by project, figure
"""


class Check(msgspec.Struct, frozen=True):
    """Figures of a service. `counted` and `shown` are complete statements that return (project, figure, key, n).

    In a statement with `{handled}`, `event` is an event of another service and counts only if this service folded it.
    """

    service: str
    counted: str
    shown: str


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of one project, counted both ways.

    `wrong` is the number of keys (emails, campaigns, hours ...) whose counts differ, and `example` is one of them.
    """

    service: str
    figure: str
    project: UUID
    counted: int
    shown: int
    wrong: int
    example: str | None


# The inbox knows which events were handled, for as long as it keeps them.
HANDLED = """(
    event.recorded_at < now() - interval '{days} days'
    or exists (select from {service}.inbox where consumer = '{service}-events' and message_id = event.id)
)"""


async def compare(conn: Connection, checks: Iterable[Check], project: UUID | None) -> AsyncIterator[Figure]:
    """Yield every figure of every project, or of one."""
    for check in checks:
        counted = check.counted.format(handled=HANDLED.format(service=check.service, days=RETENTION_DAYS))
        for row in await conn.fetch(COMPARE.format(counted=counted, shown=check.shown), project, timeout=None):
            yield Figure(service=check.service, **row)
