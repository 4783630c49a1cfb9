"""Show, pause or resume sending: of all email, or of one project's bulk mail."""

import argparse
import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any
from uuid import UUID

from deploy.commands import Failed

if TYPE_CHECKING:
    from libs.schemas.feedback.reputation import ReputationView

EPILOG = """\
Without --project, the command covers all email of this deployment. Sending is paused automatically in a database that
was restored from a backup, or cloned: it has forgotten what was sent since, and what is queued in it may have been sent
already. Look first (`godwit audit`, `GET /emails?state=queued`), cancel what must not go out, then resume.

With --project, it covers the campaigns and workflows of one project. They are paused automatically when too much of its
email bounces or is complained about; its transactional mail continues. Resume once the cause is fixed: from then on,
only what happens afterwards counts.

examples:
  godwit sending status
  godwit sending pause --note "SES asked us to"
  godwit sending resume --project 0193... --note "old list removed"

`status` exits with 1 while sending is paused.
"""
BY_HAND = "Paused by an operator"

STATE = """
select paused_at, reason, (select count(*) from delivery.email where state = 'queued') as queued from delivery.sending
"""
PROJECTS = "select project, paused_at from feedback.reputation where standing = 'PAUSED' order by paused_at"
PAUSE = "update delivery.sending set paused_at = clock_timestamp(), reason = $1 where paused_at is null"
RESUME = "update delivery.sending set paused_at = null, reason = null, epoch = null, acknowledged = $1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", required=True, metavar="status|pause|resume")
    texts = {"status": "show whether email goes out", "pause": "hold queued email", "resume": "let it go out again"}
    for action, text in texts.items():
        one = actions.add_parser(action, help=text)
        one.add_argument("--project", type=UUID, metavar="ID", help="only the campaigns and workflows of this project")
        if action != "status":
            one.add_argument("--note", default="", help="the reason, stored with the decision")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_project(args) if args.project else ALL[args.action](args.note if "note" in args else ""))


# --- all email -------------------------------------------------------------------------------------------------------


async def status(_note: str = "") -> int:
    from deploy.connections import database

    async with database() as conn:
        state = await conn.fetchrow(STATE)
        projects = await conn.fetch(PROJECTS)
    if state is None:
        raise Failed("the database is not set up: run `godwit migrate`")
    paused = state["paused_at"]
    print(f"sending is paused since {paused:%Y-%m-%d %H:%M:%S %Z}: {state['reason']}" if paused else "email goes out")
    print(f"{state['queued']:,} emails are queued")
    for row in projects:
        print(f"project {row['project']}: bulk mail is paused since {row['paused_at']:%Y-%m-%d %H:%M:%S %Z}")
    return 1 if paused else 0


async def pause(note: str) -> int:
    from deploy.connections import database

    async with database() as conn:
        await conn.execute(PAUSE, f"{BY_HAND}: {note}" if note else BY_HAND)
    print("sending is paused; calls to SES that have already begun are completed")
    return 0


async def resume(_note: str) -> int:
    from deploy.connections import database

    async with database() as conn:
        await conn.execute(RESUME, await _latest_event())
    print("email goes out again")
    return 0


ALL: dict[str, Callable[[str], Coroutine[Any, Any, int]]] = {"status": status, "pause": pause, "resume": resume}


async def _latest_event() -> UUID | None:
    """Return the id of delivery's latest event on the bus. The operator accepts that the database may lack it."""
    from nats.js.errors import NotFoundError

    from deploy.connections import bus

    async with bus() as client:
        try:
            latest = await client.jetstream(timeout=5).get_last_msg("EVENTS", "evt.delivery.>")
        except NotFoundError:
            return None
        return UUID((latest.headers or {})["Nats-Msg-Id"])


# --- one project -----------------------------------------------------------------------------------------------------


async def _project(args: argparse.Namespace) -> int:
    from deploy.connections import bus, send_command
    from libs.runtime.messaging.bus import Unavailable, ask
    from libs.schemas.feedback.reputation import (
        GetReputation,
        PauseSending,
        ReputationView,
        ResumeSending,
    )

    decisions = {"pause": PauseSending, "resume": ResumeSending}
    async with bus() as client:
        try:
            if args.action == "status":
                found = await ask(client, args.project, GetReputation(), ReputationView)
            else:
                command = decisions[args.action](by="operator", note=args.note)
                found = await send_command(client, args.project, command, ReputationView)
        except Unavailable as silent:
            raise Failed(str(silent)) from silent
    _show(found)
    return 1 if args.action == "status" and found.is_disabled else 0


def _show(found: "ReputationView") -> None:
    print(f"project {found.status.project_id}: {found.standing}" + (f" ({found.reason})" if found.reason else ""))
    for name, window in (
        ("24 hours", found.status.twenty_four_hour),
        ("7 days", found.status.seven_day),
        ("all time", found.status.all_time),
    ):
        print(
            f"  {name:<9} {window.total:>10,} sent {window.bounces:>8,} bounced ({window.bounce_rate} %)"
            f" {window.complaints:>8,} complained ({window.complaint_rate} %)"
        )
    for finding in (*found.status.violations, *found.status.warnings):
        unit = "" if finding.is_count else " %"
        print(f"  {finding.level}: {finding.metric} is {finding.value}{unit}, over {finding.limit}{unit}")
