"""Look at everything that Godwit stands on, and say what to do about what is found."""

import argparse
import asyncio
import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.doctor.deployment import Place
    from deploy.doctor.diagnosis import Finding

EPILOG = """\
SES (credentials, quota, domains, configuration set, event types), the way back from it (SNS topics and subscriptions,
SQS), clocks, Postgres and NATS. Settings are read as the services read them; without any, it looks at the stack that
`godwit up` runs here. Nothing is changed. Exit code 1 if anything is a problem.
"""
MARKS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("--nats-monitor", metavar="URL", help="where NATS answers /varz, as in http://nats:8222")


def run(args: argparse.Namespace) -> int:
    from deploy.doctor.deployment import place

    findings = asyncio.run(_examine(place(nats_monitor_url=args.nats_monitor)))
    _show(findings)
    return 1 if any(finding.verdict == "problem" for finding in findings) else 0


async def _examine(place: "Place") -> "list[Finding]":
    from deploy.doctor import notifications, servers, ses

    findings = [finding async for finding in servers.postgres(place)]
    findings += [finding async for finding in servers.bus(place)]
    domains = await servers.domains_of(place)
    findings += await asyncio.to_thread(lambda: list(ses.examine(place, domains)))
    return findings + await asyncio.to_thread(lambda: list(notifications.examine(place)))


def _show(findings: "Sequence[Finding]") -> None:
    width = max(len(finding.check) for finding in findings)
    room = max(40, shutil.get_terminal_size().columns - width - 12)
    for finding in findings:
        print(f"{finding.check:<{width}}  {MARKS[finding.verdict]:<8}  {finding.found}")
        for line in textwrap.wrap(finding.todo, room):
            print(f"{'':<{width}}  {'':<8}  -> {line}")
    problems = sum(finding.verdict == "problem" for finding in findings)
    print(f"{problems} problems" if problems else "all is well")
