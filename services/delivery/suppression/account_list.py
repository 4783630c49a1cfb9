"""The suppression list of the SES account, kept in step both ways.

SES is told of addresses that a project lists because they bounced or complained, and of those that are released; what
somebody lists by hand concerns that project alone. SES's own list is read page by page, over and over: whom it names
gets no mail from here either, because SES would take it and bounce it.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from botocore.exceptions import ClientError

from libs.runtime.eventstore.store import Connection
from libs.runtime.process.runtime import Runtime
from libs.schemas.delivery.suppressions import ListedReason
from services.delivery.sender.maintenance import again_and_again
from services.delivery.ses.client import ACCOUNT_ERRORS

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

log = structlog.get_logger()

PAGE = 1000
PAGE_SECONDS = 1.0
"""SES allows a call of this kind a second. A million addresses take a quarter of an hour."""
PASS_SECONDS = 3600.0
LEASE = 60.0
TELL_BATCH = 10
TELL_SECONDS = 2.0
LATER = 300.0
MAX_ATTEMPTS = 50
NOT_FOUND = "NotFoundException"
TOLD_OF: tuple[ListedReason, ...] = ("BOUNCE", "COMPLAINT")
"""The reasons that SES's own list knows."""

TELL = """
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
TOLD = "delete from account_telling where address = $1 and reason is not distinct from $2"
TURN = """
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
GO_ON = """
update account_reading set next_token = $2, due_at = clock_timestamp() + make_interval(secs => $3) where region = $1
"""
FINISH = """
update account_reading set pass = pass + 1, next_token = null, finished_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => $2)
where region = $1
"""
RELEASE = "delete from account_suppression where address = any($1::text[])"
FORGET = "delete from account_suppression where pass < $1"


async def tell(conn: Connection, addresses: Collection[str], reason: ListedReason | None) -> None:
    """Have SES told, once this is committed, that it should list these addresses, or with no reason release them."""
    if addresses:
        await conn.execute(TELL, list(addresses), reason)
    if addresses and not reason:
        await conn.execute(RELEASE, list(addresses))


class AccountList:
    """One process's part in it; any number may run at once."""

    def __init__(self, runtime: Runtime, client: "SESV2Client") -> None:
        self._runtime = runtime
        self._client = client
        self._region = runtime.settings.aws_region

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(again_and_again(self._tell_some, TELL_SECONDS))
            tasks.create_task(again_and_again(self._read_a_page, PAGE_SECONDS))

    async def _tell_some(self) -> float:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            due = await conn.fetch(DUE, TELL_BATCH, LATER)
        for row in due:
            await self._tell(row)
        return PAGE_SECONDS if len(due) == TELL_BATCH else TELL_SECONDS

    async def _tell(self, row: asyncpg.Record) -> None:
        try:
            await asyncio.to_thread(self._call, row["address"], row["reason"])
        except ACCOUNT_ERRORS as error:
            log.warning("account_list.not_told", error=repr(error), attempt=row["attempts"])
            if row["attempts"] < MAX_ATTEMPTS:
                return
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await conn.execute(TOLD, row["address"], row["reason"])

    def _call(self, address: str, reason: Any) -> None:
        if reason:
            self._client.put_suppressed_destination(EmailAddress=address, Reason=reason)
            return
        try:
            self._client.delete_suppressed_destination(EmailAddress=address)
        except ClientError as error:
            if error.response["Error"].get("Code") != NOT_FOUND:
                raise

    async def _read_a_page(self) -> float:
        """One page, if nobody else reads just now; then where it goes on is kept with what it said."""
        async with self._runtime.pool.acquire(timeout=10) as conn:
            turn = await conn.fetchrow(TURN, self._region, LEASE)
        if turn is None:
            return TELL_SECONDS
        try:
            page = await asyncio.to_thread(self._page, turn["next_token"])
        except ACCOUNT_ERRORS as error:
            log.warning("account_list.unreadable", error=repr(error))
            await self._start_over()
            return LEASE
        async with self._runtime.pool.acquire(timeout=10) as conn, conn.transaction():
            await self._keep(conn, turn["pass"], page["SuppressedDestinationSummaries"], page.get("NextToken"))
        return PAGE_SECONDS

    def _page(self, token: str | None) -> Any:
        if token:
            return self._client.list_suppressed_destinations(PageSize=PAGE, NextToken=token)
        return self._client.list_suppressed_destinations(PageSize=PAGE)

    async def _keep(self, conn: Connection, number: int, found: Sequence[Any], token: str | None) -> None:
        await conn.execute(
            KEEP,
            [each["EmailAddress"].lower() for each in found],
            [each["Reason"] for each in found],
            [each["LastUpdateTime"] for each in found],
            number,
        )
        if token:
            await conn.execute(GO_ON, self._region, token, PAGE_SECONDS)
            return
        await conn.execute(FINISH, self._region, PASS_SECONDS)
        await conn.execute(FORGET, number)

    async def _start_over(self) -> None:
        """A token does not live for ever: the pass begins again, and its number tells what it has seen."""
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await conn.execute(GO_ON, self._region, None, LEASE)
