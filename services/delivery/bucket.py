"""The token bucket that all replicas share: one row for each SES account and region, on the database's clock.

Tokens are taken before mails are claimed; a crash in between only sends less. The rate halves when SES throttles, at
most once in two seconds since one burst brings many such answers, and grows back by a fiftieth of the ceiling a second.
"""

import msgspec

from libs.runtime.store import Connection
from services.delivery.rate import Limits

# The row is locked in the innermost query, and everything is worked out from it outside: what is joined to a row that
# is waited for is not worked out again from the row's new version, and would grant the same tokens twice.
# Small change is not handed out while more is wanted: a claim for every single token would cost more than the mail.
TAKE = """
update bucket set
    tokens = granted.available - granted.take,
    rate = granted.rate,
    at = granted.at,
    left_today = granted.left_today - granted.take
from (
    select *, case when floor(available) >= least
        then greatest(0, least(floor(available), floor(left_today), $2)) else 0 end as take
    from (
        select region, at, rate, left_today, reserve, least(burst, tokens + rate * passed) as available,
            least($2, greatest(1, floor(burst / 2))) as least
        from (
            select region, at, least(ceiling, rate + ceiling * 0.02 * passed) as rate, burst, tokens, left_today,
                reserve, passed
            from (
                select region, greatest(clock_timestamp(), at) as at, ceiling, rate, burst, tokens, left_today, reserve,
                    greatest(0, extract(epoch from clock_timestamp() - at))::float as passed
                from bucket
                where region = $1
                for update
            ) locked
        ) grown
    ) filled
) granted
where bucket.region = granted.region
returning granted.take::int as tokens,
    greatest(0, least(granted.left_today - granted.reserve, 1e9))::int as bulk,
    case when granted.left_today < 1 then 5 when granted.take > 0 then 0
        else greatest(0, granted.least - granted.available) / granted.rate end::float as wait,
    granted.rate
"""
GIVE_BACK = """
update bucket set tokens = least(burst, tokens + $2), left_today = left_today + $2 where region = $1
"""
SEED = """
insert into bucket (region, ceiling, burst, rate, tokens, left_today, reserve, at)
values ($1, $2, $3, $2, 1, $4, $5, clock_timestamp())
on conflict (region) do update set
    ceiling = excluded.ceiling,
    burst = excluded.burst,
    rate = case when bucket.rate >= bucket.ceiling then excluded.ceiling else least(bucket.rate, excluded.ceiling) end,
    left_today = excluded.left_today,
    reserve = excluded.reserve
"""
SEED_IF_NEW = """
insert into bucket (region, ceiling, burst, rate, tokens, left_today, reserve, at)
values ($1, $2, $3, $2, 1, $4, $5, clock_timestamp())
on conflict (region) do nothing
"""
SLOW_DOWN = """
update bucket set rate = least(ceiling, greatest(1, rate / 2)), tokens = 0, throttled_at = clock_timestamp()
where region = $1 and (throttled_at is null or throttled_at < clock_timestamp() - interval '2 seconds')
returning rate
"""
STOP_FOR_TODAY = "update bucket set left_today = 0 where region = $1"


class Grant(msgspec.Struct, frozen=True):
    """So many mails may be sent, at most `bulk` of them not transactional; with none, ask again in `wait` seconds.

    `rate` is what all replicas together may send in a second now.
    """

    tokens: int
    bulk: int
    wait: float
    rate: float


async def take(conn: Connection, region: str, wanted: int) -> Grant:
    row = await conn.fetchrow(TAKE, region, float(wanted))
    return Grant(row["tokens"], row["bulk"], row["wait"], row["rate"]) if row else Grant(0, 0, 1.0, 1.0)


async def give_back(conn: Connection, region: str, tokens: int) -> None:
    """Return what was not used."""
    if tokens > 0:
        await conn.execute(GIVE_BACK, region, float(tokens))


async def seed(conn: Connection, region: str, limits: Limits, *, only_if_new: bool = False) -> None:
    sql = SEED_IF_NEW if only_if_new else SEED
    await conn.execute(sql, region, limits.ceiling, limits.burst, limits.left, limits.reserve)


async def slow_down(conn: Connection, region: str) -> float | None:
    """SES throttled: answers the new rate, None if it was halved just now."""
    rate: float | None = await conn.fetchval(SLOW_DOWN, region)
    return rate


async def stop_for_today(conn: Connection, region: str) -> None:
    """SES says the daily quota is used up: nothing more until it says how much is left."""
    await conn.execute(STOP_FOR_TODAY, region)
