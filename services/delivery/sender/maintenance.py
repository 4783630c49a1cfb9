"""What is done now and then: reading what SES allows, counting what is open, and giving up what can never be sent."""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog

from libs.runtime.messaging import group_commit
from libs.runtime.process.runtime import Runtime
from services.delivery.ledger import conservation, ledger, metrics
from services.delivery.ledger.email import fail
from services.delivery.rendering import attachments
from services.delivery.rendering.content_cache import Shelf
from services.delivery.scheduling import permit_pool
from services.delivery.scheduling.rate import UNTIL_KNOWN, limits
from services.delivery.ses.client import ACCOUNT_ERRORS, Ses

log = structlog.get_logger()

BROKEN = (
    *group_commit.CONNECTION_ERRORS,
    *group_commit.CONFLICT_ERRORS,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
)
"""What a loop survives: the database cannot just now. The ledger is as it was, and the next round finds it so."""

ACCOUNT_EVERY, ACCOUNT_AGAIN = 15.0, 5.0
OPEN_EVERY = 15.0
ALL_EVERY = 300.0
LOST_EVERY = 600.0
MAX_LOST = 1000

OPEN = """
select state, (select count(*) from email where email.state = states.state) as mails
from unnest(array['queued', 'claimed', 'unknown']) as states (state)
"""

# What a mail is made of comes from other services within moments. What has not come in a quarter of an hour never will,
# and whoever waits for the mail is told so.
LOST = """
select email.id from email
left join content on content.project = email.project and content.id = email.content_id
left join recipient on recipient.project = email.project and recipient.contact_id = email.contact_id
where email.state = 'queued' and email.due_at <= now() and email.created_at < now() - interval '15 minutes'
    and (email.content_id is not null and content.id is null or email.lane > 0 and recipient.contact_id is null)
limit $1
"""


class Upkeep:
    """One process's upkeep; any number may run at once."""

    def __init__(self, runtime: Runtime, ses: Ses, shelf: Shelf) -> None:
        self._runtime = runtime
        self._ses = ses
        self._shelf = shelf

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(again_and_again(self._read_account, ACCOUNT_AGAIN))
            tasks.create_task(again_and_again(self._count_open, OPEN_EVERY))
            tasks.create_task(again_and_again(self._count_all, ALL_EVERY))
            tasks.create_task(again_and_again(self._give_up_lost, LOST_EVERY))
            tasks.create_task(again_and_again(self._forget_files, LOST_EVERY))

    async def _read_account(self) -> float:
        region = self._runtime.settings.aws_region
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await permit_pool.seed(conn, region, UNTIL_KNOWN, only_if_new=True)
        try:
            found = limits(await asyncio.to_thread(self._ses.account))
        except ACCOUNT_ERRORS as error:
            log.warning("upkeep.account_unknown", error=repr(error))
            return ACCOUNT_AGAIN
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await permit_pool.seed(conn, region, found)
        metrics.RATE.set(found.ceiling)
        return ACCOUNT_EVERY

    async def _count_open(self) -> float:
        for row in await self._runtime.pool.fetch(OPEN):
            metrics.OPEN.labels(row["state"]).set(row["mails"])
        return OPEN_EVERY

    async def _count_all(self) -> float:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await conservation.count(conn)
        return ALL_EVERY

    async def _forget_files(self) -> float:
        async with self._runtime.unit() as unit:
            await attachments.forget(unit.conn)
        return LOST_EVERY

    async def _give_up_lost(self) -> float:
        async with self._runtime.unit() as unit:
            rows = await unit.conn.fetch(LOST, MAX_LOST)
            mails = await ledger.load(unit.conn, [row["id"] for row in rows], self._shelf)
            reason = "What the mail is made of never came: its template or its recipient is not known here"
            lost = await ledger.apply(unit, [(mail, fail(mail, "CONTENT_NOT_FOUND", reason)) for mail in mails])
        if lost:
            log.warning("upkeep.gave_up", mails=len(lost))
        return LOST_EVERY


async def again_and_again(act: Callable[[], Awaitable[float]], after_trouble: float) -> None:
    """Call it for ever; it answers how many seconds to wait."""
    while True:
        try:
            pause = await act()
        except BROKEN as broken:
            log.warning("upkeep.again", error=repr(broken))
            pause = after_trouble
        await asyncio.sleep(pause)
