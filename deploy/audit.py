"""The conservation law, counted twice: in delivery's ledger, and from the events that delivery recorded."""

from uuid import UUID

import msgspec

from deploy.reach import database

FINAL = ("sent", "failed", "suppressed", "cancelled")
OPEN = ("queued", "claimed", "unknown")

# One snapshot for both counts, since mails move on while they are counted.
COUNT = """
with ledger as (
    select project, state, count(*) as mails from delivery.email group by project, state
), last_outcome as (
    select distinct on (stream) project, stream, type
    from delivery.events
    where type in ('email.queued', 'email.sent', 'email.failed', 'email.suppressed', 'email.cancelled')
    order by stream, version desc
), log as (
    select project, substring(type from 7) as state, count(*) as mails from last_outcome group by project, type
)
select coalesce(ledger.project, log.project) as project, coalesce(ledger.state, log.state) as state,
       coalesce(ledger.mails, 0) as in_ledger, coalesce(log.mails, 0) as in_log
from ledger full join log on ledger.project = log.project and ledger.state = log.state
where $1::uuid is null or coalesce(ledger.project, log.project) = $1
"""


class Account(msgspec.Struct, frozen=True):
    """One project's mails by state, from the ledger and from the log (which knows the open ones only as queued)."""

    project: UUID
    ledger: dict[str, int]
    log: dict[str, int]

    def lines(self) -> list[tuple[str, int, int]]:
        """(name, in the ledger, in the log) of each figure that must agree."""
        intents = ("intents", sum(self.ledger.values()), sum(self.log.values()))
        still_open = ("open", sum(self.ledger.get(state, 0) for state in OPEN), self.log.get("queued", 0))
        return [intents, still_open, *((state, self.ledger.get(state, 0), self.log.get(state, 0)) for state in FINAL)]

    @property
    def holds(self) -> bool:
        return all(ledger == log for _, ledger, log in self.lines())


async def audit(project: str | None = None) -> list[Account]:
    """Count every project, or one."""
    async with database() as conn:
        rows = await conn.fetch(COUNT, UUID(project) if project else None)
    accounts: dict[UUID, Account] = {}
    for row in rows:
        account = accounts.setdefault(row["project"], Account(row["project"], {}, {}))
        account.ledger[row["state"]] = row["in_ledger"]
        account.log[row["state"]] = row["in_log"]
    return list(accounts.values())
