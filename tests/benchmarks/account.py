"""What the SES account allows while something is measured: told to the sandbox, and to delivery at once."""

import asyncio

import asyncpg

from deploy.demo.api import Api
from deploy.demo.target import Target
from deploy.embedded.stack import REGION
from services.delivery.scheduling import permit_pool
from services.delivery.scheduling.rate import limits
from services.delivery.ses.account import SendQuota

USUAL = 14.0
"""Mails a second of a new production account."""

UNLIMITED = 100_000.0

FILLED = 1.5
"""Seconds after which the sandbox, too, allows a whole second's mails at its new limit."""

PER_DAY = 1e9


async def allow(api: Api, target: Target, per_second: float) -> None:
    """From now on SES takes so many mails a second."""
    await api.set_account(maxSendRate=per_second, max24HourSend=PER_DAY)
    conn = await asyncpg.connect(target.endpoints.admin_database_url, timeout=10)
    try:
        await conn.execute("set search_path = delivery")
        await permit_pool.seed(conn, REGION, limits(SendQuota(per_second=per_second, per_day=PER_DAY, sent_today=0)))
    finally:
        await conn.close(timeout=5)
    await asyncio.sleep(FILLED)
