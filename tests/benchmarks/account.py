"""The SES account's limits during a measurement, set in the sandbox and in delivery at the same time."""

import asyncio

import asyncpg

from deploy.demo.api import Api
from deploy.demo.target import Target
from deploy.embedded.stack import REGION
from services.delivery.scheduling import permit_pool
from services.delivery.scheduling.rate import limits
from services.delivery.ses.account import SendQuota

USUAL = 14.0
"""Mails per second of a new production account."""

UNLIMITED = 100_000.0

FILLED = 1.5
"""Seconds until the sandbox, too, allows a full second's mails at its new limit."""

PER_DAY = 1e9


async def allow(api: Api, target: Target, per_second: float) -> None:
    """Set how many mails per second SES accepts from now on."""
    await api.set_account(maxSendRate=per_second, max24HourSend=PER_DAY)
    conn = await asyncpg.connect(target.endpoints.admin_database_url, timeout=10)
    try:
        await conn.execute("set search_path = delivery")
        await permit_pool.seed(conn, REGION, limits(SendQuota(per_second=per_second, per_day=PER_DAY, sent_today=0)))
    finally:
        await conn.close(timeout=5)
    await asyncio.sleep(FILLED)
