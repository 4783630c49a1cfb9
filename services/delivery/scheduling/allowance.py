"""What projects may send now under their own limits: a token bucket for each limited project and recipient domain.

The database's clock refills the buckets, and a claim locks those that it takes from, so all replicas share them. These
limits are the project's own wish, not SES's, so a burst of half a second's worth may be sent at once.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import msgspec

from libs.runtime.eventstore.store import Connection
from services.delivery.scheduling.fairness import WHOLE, DueMails, PartitionKey, Share, within

BURST = 0.5
"""How many seconds' worth of mails may be sent at once."""

# A bucket that nothing was taken from is full.
LIMITED = """
select limited.project, limited.line, limited.per_second, least(most.tokens, coalesce(allowance.tokens
    + limited.per_second * greatest(0, extract(epoch from clock_timestamp() - allowance.at)), most.tokens)) as tokens
from (
    select project, '' as line, per_second from sending_limit
    where project = any($1::uuid[]) and per_second is not null
    union all
    select project, domain.key, domain.value::float from sending_limit cross join jsonb_each(domains) as domain
    where project = any($1::uuid[])
) as limited
cross join lateral (select greatest(1, limited.per_second * $2) as tokens) as most
left join allowance on allowance.project = limited.project and allowance.line = limited.line
"""
MAKE = """
insert into allowance (project, line, tokens, at)
select project, line, 1e9, clock_timestamp() from unnest($1::uuid[], $2::text[]) as new (project, line)
order by project, line
on conflict do nothing
"""
LOCK = """
select from allowance where (project, line) in (select * from unnest($1::uuid[], $2::text[]))
order by project, line for update
"""
SPEND = """
update allowance set tokens = new.tokens, at = clock_timestamp()
from unnest($1::uuid[], $2::text[], $3::float[]) as new (project, line, tokens)
where allowance.project = new.project and allowance.line = new.line
"""


class Allowance(msgspec.Struct, frozen=True):
    per_second: float
    tokens: float

    @property
    def wait(self) -> float:
        """The seconds until there is a token."""
        return max(0.0, 1.0 - self.tokens) / self.per_second


Allowances = Mapping[PartitionKey, Allowance]


async def read(conn: Connection, projects: Collection[UUID]) -> Allowances:
    """Return the current allowances of limited projects and their limited partitions."""
    rows = await conn.fetch(LIMITED, list(projects), BURST) if projects else []
    return {(row["project"], row["line"]): Allowance(row["per_second"], row["tokens"]) for row in rows}


def reduced(due: Sequence[DueMails], allowances: Allowances) -> list[DueMails]:
    """Return the due mails that the allowances cover, transactional mail first."""
    in_order = sorted(due, key=lambda each: each.lane)
    tokens = {key: each.tokens for key, each in allowances.items()}
    granted = within([((each.project, each.partition), each.count) for each in in_order], tokens)
    return [msgspec.structs.replace(each, count=n) for each, n in zip(in_order, granted, strict=True) if n]


async def lock(conn: Connection, shares: Sequence[Share], limited: Collection[UUID]) -> tuple[list[Share], Allowances]:
    """Return the shares that the limited projects' allowances cover, and lock these until the transaction ends."""
    keys = list(await read(conn, limited))
    if not keys:
        return list(shares), {}
    await conn.execute(MAKE, *_columns(keys))
    await conn.execute(LOCK, *_columns(keys))
    found = await read(conn, limited)
    granted = within(
        [((s.project, s.partition), s.quota) for s in shares], {key: each.tokens for key, each in found.items()}
    )
    return [msgspec.structs.replace(share, quota=n) for share, n in zip(shares, granted, strict=True) if n], found


async def spend(conn: Connection, locked: Allowances, sent: Counter[PartitionKey]) -> None:
    """Subtract the mails that are sent from the allowances that were locked."""
    if not locked:
        return
    spent: Counter[PartitionKey] = Counter()
    for (project, partition), count in sent.items():
        spent.update(dict.fromkeys({(project, WHOLE), (project, partition)}, count))
    keys = sorted(locked)
    await conn.execute(SPEND, *_columns(keys), [locked[key].tokens - spent[key] for key in keys])


def _columns(keys: Sequence[PartitionKey]) -> tuple[list[UUID], list[str]]:
    return [project for project, _ in keys], [partition for _, partition in keys]
