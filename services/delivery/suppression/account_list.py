"""Keeps the suppression list of the SES account and ours in step, in both directions.

The account's list is shared by all projects, so only what SES itself reported gets onto it: a permanent bounce or a
complaint. What a project lists by command concerns that project alone, whatever reason it gives. An address comes off
once the last project with a report has released it.

SES's list is read page by page, over and over: an address on it gets no mail from us either, because SES would accept
the mail and then bounce it.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from botocore.exceptions import ClientError

from libs.runtime.eventstore.store import Connection
from libs.runtime.process.loops import repeat
from libs.runtime.process.runtime import Runtime
from services.delivery.ses.client import ACCOUNT_ERRORS
from services.delivery.suppression.read_models import suppressed_address
from services.delivery.suppression.read_models.suppressed_address import Report

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

log = structlog.get_logger()

PAGE = 1000
PAGE_SECONDS = 1.0
"""SES allows one such call per second, so reading a million addresses takes a quarter of an hour."""
PASS_SECONDS = 3600.0
LEASE = 60.0
UPDATE_BATCH = 10
UPDATE_SECONDS = 2.0
RETRY_SECONDS = 300.0
MAX_ATTEMPTS = 50
NOT_FOUND = "NotFoundException"

QUEUE_UPDATE = """
insert into account_telling (address, reason)
select address, $2 from unnest($1::text[]) as address order by address
on conflict (address) do update set reason = excluded.reason, due_at = clock_timestamp(), attempts = 0
"""
DUE = """
with due as materialized (
    select address from account_telling where due_at <= clock_timestamp() order by due_at limit $1
    for update skip locked
)
update account_telling set due_at = clock_timestamp() + make_interval(secs => $2), attempts = attempts + 1
from due where account_telling.address = due.address
returning account_telling.address, reason, attempts
"""
DONE = "delete from account_telling where address = $1 and reason is not distinct from $2"
TAKE_TURN = """
insert into account_reading as reading (region) values ($1)
on conflict (region) do update set due_at = clock_timestamp() + make_interval(secs => $2)
where reading.due_at <= clock_timestamp()
returning pass, next_token
"""
KEEP = """
insert into account_suppression (address, reason, since, pass)
select address, reason, since, $4 from unnest($1::text[], $2::text[], $3::timestamptz[]) as new (address, reason, since)
order by address
on conflict (address) do update set reason = excluded.reason, since = excluded.since, pass = excluded.pass
"""
CONTINUE = """
update account_reading set next_token = $2, due_at = clock_timestamp() + make_interval(secs => $3) where region = $1
"""
FINISH = """
update account_reading set pass = pass + 1, next_token = null, finished_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => $2)
where region = $1
"""
RELEASE = "delete from account_suppression where address = any($1::text[])"
DROP_STALE = "delete from account_suppression where pass < $1"


async def list_reported(conn: Connection, addresses: Collection[str], report: Report) -> None:
    """Have SES list these addresses, of which it reported this, once this is committed."""
    if addresses:
        await conn.execute(QUEUE_UPDATE, list(addresses), report)


async def release(conn: Connection, address: str) -> None:
    """Have SES release the address once this is committed, unless another project has a report of it."""
    if await suppressed_address.report_of_any(conn, address) is None:
        await conn.execute(QUEUE_UPDATE, [address], None)
        await conn.execute(RELEASE, [address])


class AccountList:
    """Synchronises the lists; any number of processes may do so at once."""

    def __init__(self, runtime: Runtime, api: "SESV2Client") -> None:
        self._runtime = runtime
        self._api = api
        self._region = runtime.settings.aws_region

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(repeat(self._update_due, UPDATE_SECONDS))
            tasks.create_task(repeat(self._read_page, PAGE_SECONDS))

    async def _update_due(self) -> float:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            due = await conn.fetch(DUE, UPDATE_BATCH, RETRY_SECONDS)
        for row in due:
            await self._update(row)
        return PAGE_SECONDS if len(due) == UPDATE_BATCH else UPDATE_SECONDS

    async def _update(self, row: asyncpg.Record) -> None:
        try:
            await asyncio.to_thread(self._call, row["address"], await self._wanted(row))
        except ACCOUNT_ERRORS as error:
            log.warning("account_list.update_failed", error=repr(error), attempt=row["attempts"])
            if row["attempts"] < MAX_ATTEMPTS:
                return
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await conn.execute(DONE, row["address"], row["reason"])

    async def _wanted(self, row: asyncpg.Record) -> Report | None:
        """Return the reason to list the address for. What was to be released may have been reported meanwhile."""
        if row["reason"]:
            reason: Report = row["reason"]
            return reason
        async with self._runtime.pool.acquire(timeout=10) as conn:
            return await suppressed_address.report_of_any(conn, row["address"])

    def _call(self, address: str, report: Report | None) -> None:
        if report:
            self._api.put_suppressed_destination(EmailAddress=address, Reason=report)
            return
        try:
            self._api.delete_suppressed_destination(EmailAddress=address)
        except ClientError as error:
            if error.response["Error"].get("Code") != NOT_FOUND:
                raise

    async def _read_page(self) -> float:
        """Read one page unless another process is reading, and save it together with where to continue."""
        async with self._runtime.pool.acquire(timeout=10) as conn:
            turn = await conn.fetchrow(TAKE_TURN, self._region, LEASE)
        if turn is None:
            return UPDATE_SECONDS
        try:
            page = await asyncio.to_thread(self._page, turn["next_token"])
        except ACCOUNT_ERRORS as error:
            log.warning("account_list.read_failed", error=repr(error))
            await self._start_over()
            return LEASE
        async with self._runtime.pool.acquire(timeout=10) as conn, conn.transaction():
            await self._save(conn, turn["pass"], page["SuppressedDestinationSummaries"], page.get("NextToken"))
        return PAGE_SECONDS

    def _page(self, token: str | None) -> Any:
        if token:
            return self._api.list_suppressed_destinations(PageSize=PAGE, NextToken=token)
        return self._api.list_suppressed_destinations(PageSize=PAGE)

    async def _save(self, conn: Connection, read_pass: int, found: Sequence[Any], token: str | None) -> None:
        await conn.execute(
            KEEP,
            [each["EmailAddress"].lower() for each in found],
            [each["Reason"] for each in found],
            [each["LastUpdateTime"] for each in found],
            read_pass,
        )
        if token:
            await conn.execute(CONTINUE, self._region, token, PAGE_SECONDS)
            return
        await conn.execute(FINISH, self._region, PASS_SECONDS)
        await conn.execute(DROP_STALE, read_pass)

    async def _start_over(self) -> None:
        """Begin the pass again, because tokens expire. Rows keep the number of the pass that saw them."""
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await conn.execute(CONTINUE, self._region, None, LEASE)
