"""Check everything Godwit depends on, and say how to fix what is wrong."""

import argparse
import asyncio
import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deploy.doctor.deployment import Deployment
    from deploy.doctor.diagnosis import Diagnosis

EPILOG = """\
It checks SES (credentials, quota, domains, configuration set, event types), the return path from it (SNS topics and
subscriptions, SQS), clocks, Postgres and NATS. It reads the same settings as the services; without any, it checks the
stack that `godwit up` runs on this machine. It changes nothing, and exits with 1 if there is a problem.
"""
MARKS = {"ok": "ok", "warning": "warning", "problem": "PROBLEM"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument(
        "--nats-monitor", metavar="URL", help="monitoring URL of NATS (serves /varz), such as http://nats:8222"
    )


def run(args: argparse.Namespace) -> int:
    from deploy.doctor.deployment import find_deployment

    diagnoses = asyncio.run(_examine(find_deployment(nats_monitor_url=args.nats_monitor)))
    _show(diagnoses)
    return 1 if any(diagnosis.verdict == "problem" for diagnosis in diagnoses) else 0


async def _examine(deployment: "Deployment") -> "list[Diagnosis]":
    from deploy.doctor import notifications, servers, ses

    diagnoses = [diagnosis async for diagnosis in servers.postgres(deployment)]
    diagnoses += [diagnosis async for diagnosis in servers.bus(deployment)]
    domains = await servers.domains_of(deployment)
    diagnoses += await asyncio.to_thread(lambda: list(ses.examine(deployment, domains)))
    return diagnoses + await asyncio.to_thread(lambda: list(notifications.examine(deployment)))


def _show(diagnoses: "Sequence[Diagnosis]") -> None:
    width = max(len(diagnosis.check) for diagnosis in diagnoses)
    room = max(40, shutil.get_terminal_size().columns - width - 12)
    for diagnosis in diagnoses:
        print(f"{diagnosis.check:<{width}}  {MARKS[diagnosis.verdict]:<8}  {diagnosis.found}")
        for line in textwrap.wrap(diagnosis.todo, room):
            print(f"{'':<{width}}  {'':<8}  -> {line}")
    problems = sum(diagnosis.verdict == "problem" for diagnosis in diagnoses)
    print(f"{problems} problems" if problems else "all is well")
