"""Show, pause or resume the bulk mail of a project."""

import argparse
import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from libs.schemas.reputation import ReputationView

EPILOG = """\
A project whose mail bounces or is complained about too much is paused: its campaigns and workflows wait, transactional
mail goes on. Resume it once the cause is mended; from then on it is judged by what happens from then on.
example: godwit sending resume 0193... --note "old list removed"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", required=True, metavar="show|pause|resume")
    for action, text in (("show", "its figures"), ("pause", "hold what is queued"), ("resume", "send again")):
        one = actions.add_parser(action, help=text)
        one.add_argument("project", type=UUID, help="id of the project")
        if action != "show":
            one.add_argument("--note", default="", help="why; kept with the decision")


def run(args: argparse.Namespace) -> int:
    return asyncio.run(_run(args))


async def _run(args: argparse.Namespace) -> int:
    from deploy.commands import Failed
    from deploy.reach import bus, order
    from libs.runtime.bus import Unavailable, ask
    from libs.schemas.reputation import GetReputation, PauseSending, ReputationView, ResumeSending

    decisions = {"pause": PauseSending, "resume": ResumeSending}
    async with bus() as client:
        try:
            if args.action == "show":
                found = await ask(client, args.project, GetReputation(), ReputationView)
            else:
                command = decisions[args.action](by="operator", note=args.note)
                found = await order(client, args.project, command, ReputationView)
        except Unavailable as silent:
            raise Failed(str(silent)) from silent
    _show(found)
    return 0


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
