"""The permits that all replicas share: for each SES account and region as many as it allows calls per second.

A call holds a permit from before it begins until a second after the response. SES accepts the mail in between, so it
cannot accept more mails in any second than there are permits, however late a call begins, a thread wakes or a packet
arrives. Permits are granted a little before they return to the pool, and the call then waits for that moment, so that
no permit is idle while mails are being claimed.

A permit whose holder died returns by itself, once any call that it was used for must be over.

The rate halves when SES throttles, at most once in two seconds because one burst causes many such responses, and
recovers by a fiftieth of the ceiling per second.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec
from msgspec.structs import replace

from libs.runtime.eventstore.store import Connection
from services.delivery.scheduling.rate import AccountLimits, ReturningPermits, circulation, slots

MAX_DELAY = 0.5
"""Seconds after its start time for which a permit can still be used, measured from before the permit request. After
that it must be returned."""
IN_FLIGHT = 0.5
"""Seconds within which SES has received a mail, even if it never responds or the sender dies."""

# The granted permits and the state of the bucket, all at one moment.
READ = """
select least(ceiling, rate + ceiling * 0.02 * greatest(0, extract(epoch from clock.now - at))) as rate,
    left_today, reserve, bucket.xmin::text as bucket_version, clock.now,
    ready_at, n, extract(epoch from ready_at - clock.now)::float as ready_in
from (select clock_timestamp() as now) as clock
join bucket on region = $1
left join permit on permit.region = $1 and ready_at > clock.now and n > 0
order by ready_at
"""
# Does nothing if the bucket has changed since it was read. Permits that returned meanwhile stay out a bit longer.
GRANT = """
with turn as (
    update bucket set rate = $6, at = greatest(at, $7), left_today = left_today - $4::int
    where region = $1 and xmin = $8::text::xid
    returning set_config('synchronous_commit', 'off', true)
), old as (
    delete from permit using turn where region = $1 and ready_at < clock_timestamp() - interval '1 second'
), used as (
    select ready_at, n from turn, unnest($2::timestamptz[], $3::int[]) as used (ready_at, n)
    union all
    select clock_timestamp() + make_interval(secs => $5), $4::int from turn
    order by 1
), changed as (
    insert into permit (region, ready_at, n) select $1, ready_at, n from used
    on conflict (region, ready_at) do update set n = permit.n + excluded.n
    returning ready_at
)
select max(ready_at) from changed
"""
# Rounded to hundredths of a second, so that a busy second has a hundred rows rather than a thousand.
RETURN = """
insert into permit (region, ready_at, n)
select $1, ready_at, sum(n) from (
    select to_timestamp(ceil(extract(epoch from clock_timestamp() + make_interval(secs => ready_in)) * 100) / 100)
        as ready_at, 1 as n
    from unnest($2::float[]) as ready_in
    union all
    select held_until, -1 from unnest($3::timestamptz[]) as held_until
) back
group by ready_at
order by ready_at
on conflict (region, ready_at) do update set n = permit.n + excluded.n
"""
UNUSED = "update bucket set left_today = left_today + $2 where region = $1"
SEED = """
insert into bucket (region, ceiling, rate, left_today, reserve, at)
values ($1, $2, $2, $3, $4, clock_timestamp())
on conflict (region) do update set
    ceiling = excluded.ceiling,
    rate = case when bucket.rate >= bucket.ceiling then excluded.ceiling else least(bucket.rate, excluded.ceiling) end,
    left_today = excluded.left_today,
    reserve = excluded.reserve
"""
SEED_IF_NEW = """
insert into bucket (region, ceiling, rate, left_today, reserve, at)
values ($1, $2, $2, $3, $4, clock_timestamp())
on conflict (region) do nothing
"""
SLOW_DOWN = """
update bucket set rate = least(ceiling, greatest(1, rate / 2)), throttled_at = clock_timestamp()
where region = $1 and (throttled_at is null or throttled_at < clock_timestamp() - interval '2 seconds')
returning rate
"""
STOP_FOR_TODAY = "update bucket set left_today = 0 where region = $1"

NEVER = datetime.max
QUOTA_WAIT = 5.0
MAX_TRIES = 10
CONTENTION_WAIT = 0.01
"""Seconds to wait after other processes won MAX_TRIES times."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Granted permits: `starts` has the seconds until each can be used; at `held_until` all return by themselves.

    At most `bulk` of them may be used for mails that are not transactional. If there are none, ask again in `wait`
    seconds. `rate` is the current limit of all replicas together in mails per second. A used permit returns `period`
    seconds after the response.
    """

    starts: Sequence[float] = ()
    held_until: datetime = NEVER
    bulk: int = 0
    wait: float = 1.0
    rate: float = 1.0
    period: float = 1.0


async def take(conn: Connection, region: str, wanted: int) -> Grant:
    """Take up to `wanted` permits; fewer or none if a short wait brings more of them.

    Commits asynchronously: a permit is used only after a later claim is committed, and the WAL is written in order.
    """
    for _ in range(MAX_TRIES):
        rows = await conn.fetch(READ, region)
        if not rows:
            return Grant()
        permits, period = circulation(rows[0]["rate"])
        out = [ReturningPermits(row["ready_in"], row["n"], row["ready_at"]) for row in rows if row["n"]]
        left = int(max(0, min(rows[0]["left_today"], wanted)))
        found = slots(permits, period, out, left)
        grant = Grant(
            starts=found.starts,
            bulk=int(max(0, min(rows[0]["left_today"] - rows[0]["reserve"], 1e9))),
            wait=found.wait if left else QUOTA_WAIT,
            rate=rows[0]["rate"],
            period=period,
        )
        if not grant.starts:
            return grant
        if held_until := await _grant(conn, region, rows[0], found.used, grant):
            return replace(grant, held_until=held_until)
    return Grant(wait=CONTENTION_WAIT)


async def release(conn: Connection, region: str, returned: Sequence[tuple[datetime, float]], unused: int = 0) -> None:
    """Return permits, each as its grant's `held_until` and the seconds until it can be used again.

    `unused` of them were not used for a call, so they do not count against the daily quota.
    """
    if unused:  # locks the bucket before the permits, like `take`, to avoid deadlocks
        await conn.execute(UNUSED, region, float(unused))
    if returned:
        held, ready = [held for held, _ in returned], [max(0.0, ready_in) for _, ready_in in returned]
        await conn.execute(RETURN, region, ready, held)


async def seed(conn: Connection, region: str, limits: AccountLimits, *, only_if_new: bool = False) -> None:
    """Set what the account allows. A rate that SES throttled stays reduced."""
    sql = SEED_IF_NEW if only_if_new else SEED
    await conn.execute(sql, region, limits.ceiling, limits.left, limits.reserve)


async def slow_down(conn: Connection, region: str) -> float | None:
    """Halve the rate because SES throttled. Return the new rate, or None if it was halved only a moment ago."""
    rate: float | None = await conn.fetchval(SLOW_DOWN, region)
    return rate


async def stop_for_today(conn: Connection, region: str) -> None:
    """Grant nothing more until SES says again how much of the daily quota is left."""
    await conn.execute(STOP_FOR_TODAY, region)


async def _grant(
    conn: Connection, region: str, seen: asyncpg.Record, used: Sequence[tuple[datetime, int]], grant: Grant
) -> datetime | None:
    """Record the granted permits. Return until when they are held, or None if another process was faster."""
    hold = max(grant.starts) + MAX_DELAY + IN_FLIGHT + grant.period
    taken = [ready_at for ready_at, _ in used], [-n for _, n in used]
    held_until: datetime | None = await conn.fetchval(
        GRANT, region, *taken, len(grant.starts), hold, seen["rate"], seen["now"], seen["bucket_version"]
    )
    return held_until
