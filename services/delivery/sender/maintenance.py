"""Periodic work: reads what SES allows, counts mails for metrics, and fails mails that can never be sent."""

import asyncio

import structlog

from libs.runtime.process.loops import repeat
from libs.runtime.process.runtime import Runtime
from services.delivery.ledger import conservation, ledger
from services.delivery.ledger import metrics as ledger_metrics
from services.delivery.ledger.email import fail
from services.delivery.rendering import attachments
from services.delivery.scheduling import permit_pool
from services.delivery.scheduling.rate import UNTIL_KNOWN, limits
from services.delivery.sender import metrics
from services.delivery.ses.client import ACCOUNT_ERRORS, SesClient

log = structlog.get_logger()

ACCOUNT_EVERY, ACCOUNT_RETRY = 15.0, 5.0
OPEN_EVERY = 15.0
ALL_EVERY = 300.0
LOST_EVERY = 600.0
MAX_LOST = 1000

OPEN = """
select state, (select count(*) from email where email.state = states.state) as mails
from unnest(array['queued', 'claimed', 'unknown']) as states (state)
"""

# What a mail is made of arrives from other services within moments. What has not arrived after a quarter of an hour
# never will, and whoever waits for the mail must see that.
LOST = """
select email.id from email
left join content on content.project = email.project and content.id = email.content_id
left join recipient on recipient.project = email.project and recipient.contact_id = email.contact_id
where email.state = 'queued' and email.due_at <= now() and email.created_at < now() - interval '15 minutes'
    and (email.content_id is not null and content.id is null or email.lane > 0 and recipient.contact_id is null)
limit $1
"""


class Maintenance:
    """The maintenance of one process; any number of processes may do it at once."""

    def __init__(self, runtime: Runtime, client: SesClient) -> None:
        self._runtime = runtime
        self._client = client

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(repeat(self._read_account, ACCOUNT_RETRY))
            tasks.create_task(repeat(self._count_open, OPEN_EVERY))
            tasks.create_task(repeat(self._count_all, ALL_EVERY))
            tasks.create_task(repeat(self._fail_lost, LOST_EVERY))
            tasks.create_task(repeat(self._drop_files, LOST_EVERY))

    async def _read_account(self) -> float:
        region = self._runtime.settings.aws_region
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await permit_pool.seed(conn, region, UNTIL_KNOWN, only_if_new=True)
        try:
            found = limits(await asyncio.to_thread(self._client.send_quota))
        except ACCOUNT_ERRORS as error:
            log.warning("maintenance.send_quota_unknown", error=repr(error))
            return ACCOUNT_RETRY
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await permit_pool.seed(conn, region, found)
        metrics.RATE.set(found.ceiling)
        return ACCOUNT_EVERY

    async def _count_open(self) -> float:
        for row in await self._runtime.pool.fetch(OPEN):
            ledger_metrics.OPEN.labels(row["state"]).set(row["mails"])
        return OPEN_EVERY

    async def _count_all(self) -> float:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await conservation.count(conn)
        return ALL_EVERY

    async def _drop_files(self) -> float:
        async with self._runtime.unit() as unit:
            await attachments.drop_unused(unit.conn)
        return LOST_EVERY

    async def _fail_lost(self) -> float:
        async with self._runtime.unit() as unit:
            rows = await unit.conn.fetch(LOST, MAX_LOST)
            emails = await ledger.read(unit.conn, [row["id"] for row in rows])
            reason = "The template or the contact of this mail never arrived at the delivery service"
            failed = await ledger.apply(unit, [(email, fail(email, "CONTENT_NOT_FOUND", reason)) for email in emails])
        if failed:
            log.warning("maintenance.failed_lost", mails=len(failed))
        return LOST_EVERY
