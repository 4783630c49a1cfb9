"""Recount everything users see, from the events and as it is shown, and report any difference."""

import argparse
import asyncio
import sys
from collections import defaultdict
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deploy.audit.count import Audit
    from deploy.audit.figure import Figure
    from deploy.audit.lag import Lag

EPILOG = """\
Contacts, campaigns, workflows, delivery and feedback: each figure as counted from events, and as users see it.
For email that is the conservation law: every intent is open, sent, failed, suppressed or cancelled.
Everything is read in one snapshot, so it can run next to a live system. Events that one service published and another
has not handled yet are reported as lag and are no difference. Exits with 1 if any two figures differ.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    parser.add_argument("--project", type=UUID, metavar="ID", help="only this project")
    parser.add_argument("--json", action="store_true", help="print JSON, with the figures of each project")


def run(args: argparse.Namespace) -> int:
    from deploy.audit.count import audit

    found = asyncio.run(audit(args.project))
    if args.json:
        _print_json(found)
    else:
        _print_table(found)
    return 0 if found.holds else 1


def _print_json(found: "Audit") -> None:
    import msgspec

    written = msgspec.json.encode({"holds": found.holds, "figures": found.figures, "lag": found.lag})
    sys.stdout.write(msgspec.json.format(written, indent=2).decode() + "\n")


def _print_table(found: "Audit") -> None:
    """Print one line per figure, summed over all projects, and one line per difference."""
    print(f"{'service':<10} {'figure':<38} {'from events':>12} {'shown':>12}")
    for (service, figure), counted, shown, wrong in _summed(found.figures):
        mark = f"   <- {wrong:,} differ" if wrong else ""
        print(f"{service:<10} {figure:<38} {counted:>12,} {shown:>12,}{mark}")
    for lag in found.lag:
        print(_on_its_way(lag))
    for each in found.differences:
        print(
            f"DIFFERS: {each.service}, {each.figure}: {each.counted:,} from events, {each.shown:,} shown"
            f" (project {each.project}, such as {each.example or 'all of it'})"
        )
    projects = len({figure.project for figure in found.figures})
    if found.holds:
        print(f"everything agrees ({len(found.figures):,} figures of {projects:,} projects)")


def _summed(figures: "Iterable[Figure]") -> list[tuple[tuple[str, str], int, int, int]]:
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for figure in figures:
        row = sums[figure.service, figure.figure]
        for place, n in enumerate((figure.counted, figure.shown, figure.wrong)):
            row[place] += n
    return [(name, counted, shown, wrong) for name, (counted, shown, wrong) in sorted(sums.items())]


def _on_its_way(lag: "Lag") -> str:
    what = "not published yet" if lag.source == lag.service else f"not handled by {lag.service} yet"
    return f"on its way: {lag.events:,} events of {lag.source}, {what}, for {lag.oldest:,.0f} s"
