"""The permits that all replicas share: for each SES account and region as many as it allows calls in a second.

A call needs a permit from before it begins until a second after it was answered. SES took the mail somewhere between
the two, so in no second can it have taken more mails than there are permits, however late a call came, a thread woke or
a packet arrived. Permits are given out a little ahead of the time at which they come back, and the call then waits for
that time: so none lies idle while mails are claimed.

A permit whose holder died comes back by itself, when a call that it was used for must be long over.

The rate halves when SES throttles, at most once in two seconds since one burst brings many such answers, and grows back
by a fiftieth of the ceiling a second.
"""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec
from msgspec.structs import replace

from libs.runtime.eventstore.store import Connection
from services.delivery.scheduling.rate import (
    Back,
    Limits,
    circulation,
    slots,
)

LATEST = 0.5
"""Seconds after its time at which a permit can still be used, reckoned from before the bucket was asked. Who comes
later returns it."""
IN_FLIGHT = 0.5
"""Seconds within which SES has a mail, even if it never answers or its sender dies."""

# The permits that are out, each with what the bucket says, as it is at one moment.
LOOK = """
select least(ceiling, rate + ceiling * 0.02 * greatest(0, extract(epoch from clock.now - at))) as rate,
    left_today, reserve, bucket.xmin::text as turn, clock.now,
    ready_at, n, extract(epoch from ready_at - clock.now)::float as ready_in
from (select clock_timestamp() as now) as clock
join bucket on region = $1
left join permit on permit.region = $1 and ready_at > clock.now and n > 0
order by ready_at
"""
# Only if nobody changed the bucket since it was looked at. Permits that came back meanwhile are out a little longer.
GIVE_OUT = """
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
# To the hundredth of a second, so that a busy second has a hundred rows and not a thousand.
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
AGAIN_TOMORROW = 5.0
TRIES = 10
CROWDED_WAIT = 0.01
"""Seconds for which one waits who was overtaken so often."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """Permits: `starts` says in how many seconds each can be used, and `held_until` when all come back by themselves.

    At most `bulk` of them are for mails that are not transactional. With none, ask again in `wait` seconds. `rate` is
    what all replicas together may send in a second now; a permit that was used comes back `period` after the answer.
    """

    starts: Sequence[float] = ()
    held_until: datetime = NEVER
    bulk: int = 0
    wait: float = 1.0
    rate: float = 1.0
    period: float = 1.0


async def take(conn: Connection, region: str, wanted: int) -> Grant:
    """Up to `wanted` permits; fewer, or none, if waiting a little brings more of them.

    It is not waited until they are on disk: a permit is used after a claim was committed, and the log of the database
    is written in order.
    """
    for _ in range(TRIES):
        rows = await conn.fetch(LOOK, region)
        if not rows:
            return Grant()
        permits, period = circulation(rows[0]["rate"])
        out = [Back(row["ready_in"], row["n"], row["ready_at"]) for row in rows if row["n"]]
        left = int(max(0, min(rows[0]["left_today"], wanted)))
        found = slots(permits, period, out, left)
        grant = Grant(
            starts=found.starts,
            bulk=int(max(0, min(rows[0]["left_today"] - rows[0]["reserve"], 1e9))),
            wait=found.wait if left else AGAIN_TOMORROW,
            rate=rows[0]["rate"],
            period=period,
        )
        if not grant.starts:
            return grant
        if held_until := await _give_out(conn, region, rows[0], found.used, grant):
            return replace(grant, held_until=held_until)
    return Grant(wait=CROWDED_WAIT)


async def release(conn: Connection, region: str, returned: Sequence[tuple[datetime, float]], unused: int = 0) -> None:
    """Return permits: each with its grant's `held_until`, and in how many seconds it can be used again.

    `unused` of them were used for no call, which is not counted against the day either.
    """
    if unused:  # the bucket before the permits, as who takes some: nobody waits for another in a circle
        await conn.execute(UNUSED, region, float(unused))
    if returned:
        held, ready = [held for held, _ in returned], [max(0.0, ready_in) for _, ready_in in returned]
        await conn.execute(RETURN, region, ready, held)


async def seed(conn: Connection, region: str, limits: Limits, *, only_if_new: bool = False) -> None:
    sql = SEED_IF_NEW if only_if_new else SEED
    await conn.execute(sql, region, limits.ceiling, limits.left, limits.reserve)


async def slow_down(conn: Connection, region: str) -> float | None:
    """SES throttled: answers the new rate, None if it was halved just now."""
    rate: float | None = await conn.fetchval(SLOW_DOWN, region)
    return rate


async def stop_for_today(conn: Connection, region: str) -> None:
    """SES says the daily quota is used up: nothing more until it says how much is left."""
    await conn.execute(STOP_FOR_TODAY, region)


async def _give_out(
    conn: Connection, region: str, seen: asyncpg.Record, used: Sequence[tuple[datetime, int]], grant: Grant
) -> datetime | None:
    """Until when they are out; None if another process was first."""
    hold = max(grant.starts) + LATEST + IN_FLIGHT + grant.period
    taken = [ready_at for ready_at, _ in used], [-n for _, n in used]
    held_until: datetime | None = await conn.fetchval(
        GIVE_OUT, region, *taken, len(grant.starts), hold, seen["rate"], seen["now"], seen["turn"]
    )
    return held_until
