"""Recount every mail from the ledger and from the events, and say where the two differ."""

import argparse
import asyncio

EPILOG = """\
intents = queued + claimed + unknown + sent + failed + suppressed + cancelled, for every project. The left figure is
counted in the ledger, the right one from the log of events. Exit code 1 if any two differ.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("--project", help="only this project's id")


def run(args: argparse.Namespace) -> int:
    from deploy.audit import audit

    accounts = asyncio.run(audit(args.project))
    for account in accounts:
        print(f"project {account.project}")
        for name, ledger, events in account.lines():
            mark = "" if ledger == events else "   <- differs"
            print(f"  {name:<12} {ledger:>10,} {events:>10,}{mark}")
    if all(account.holds for account in accounts):
        print(f"the ledger and the log agree ({len(accounts)} projects)")
        return 0
    return 1
