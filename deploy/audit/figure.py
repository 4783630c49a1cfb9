"""A figure that is counted twice, and the comparison of both counts."""

from collections.abc import AsyncIterator, Iterable
from uuid import UUID

import msgspec

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.inbox import RETENTION_DAYS

# Both sides answer (project, figure, key, n), and are compared key by key: two mistakes do not make up for each other.
# A counted n that is null cannot be told from the log, so what is shown is believed.
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
    """Figures of a service. `counted` and `shown` are whole statements, which answer (project, figure, key, n).

    Where `{handled}` stands in one, `event` is another service's event, and counts if this service has folded it.
    """

    service: str
    counted: str
    shown: str


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted for one project. `wrong` is the number of keys (mails, campaigns, hours ...) whose counts
    differ, `example` one of them."""

    service: str
    figure: str
    project: UUID
    counted: int
    shown: int
    wrong: int
    example: str | None


# The inbox says so, for as long as it remembers.
HANDLED = """(
    event.recorded_at < now() - interval '{days} days'
    or exists (select from {service}.inbox where consumer = '{service}-events' and message_id = event.id)
)"""


async def compare(conn: Connection, checks: Iterable[Check], project: UUID | None) -> AsyncIterator[Figure]:
    """Every figure of every project, or of one."""
    for check in checks:
        counted = check.counted.format(handled=HANDLED.format(service=check.service, days=RETENTION_DAYS))
        for row in await conn.fetch(COMPARE.format(counted=counted, shown=check.shown), project, timeout=None):
            yield Figure(service=check.service, **row)
