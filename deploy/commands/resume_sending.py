"""Let mail go out again from a database that was restored from a backup, or given another epoch."""

import argparse
import asyncio
from uuid import UUID

EPILOG = """\
A database from a backup has forgotten what went out since: what is queued in it may have been sent already. Look first
(`GET /emails/ledger`, `godwit audit`), cancel what must not go out, and then let the rest go. Without --yes it is only
shown whether sending is paused, and why.
"""

STATE = """
select paused_at, reason, (select count(*) from delivery.email where state = 'queued') as queued from delivery.sending
"""
RESUME = "update delivery.sending set paused_at = null, reason = null, epoch = null, acknowledged = $1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("--yes", action="store_true", help="let it go out")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_run(args.yes))


async def _run(resume: bool) -> int:
    from deploy.reach import database

    async with database() as conn:
        state = await conn.fetchrow(STATE)
        if state is None or state["paused_at"] is None:
            print("sending is not paused")
            return 0
        print(f"sending is paused since {state['paused_at']:%Y-%m-%d %H:%M:%S %Z}: {state['reason']}")
        print(f"{state['queued']:,} mails are queued")
        if not resume:
            print("to let them go out: godwit resume-sending --yes")
            return 1
        await conn.execute(RESUME, await _latest_event())
        print("sending goes on")
        return 0


async def _latest_event() -> UUID | None:
    """The event of delivery's that the bus holds last: from here on it is known that the database lacks it."""
    from nats.js.errors import NotFoundError

    from deploy.reach import bus

    async with bus() as client:
        try:
            latest = await client.jetstream(timeout=5).get_last_msg("EVENTS", "evt.delivery.>")
        except NotFoundError:
            return None
        return UUID((latest.headers or {})["Nats-Msg-Id"])
