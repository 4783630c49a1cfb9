"""`make chaos SEED=n MINUTES=m`: run a load and inject faults for m minutes, then heal and check the invariants.

Exits with 0 only if every invariant holds. A seed always plans the same faults, but not the same moments.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from tests.faults.invariants import Findings, check
from tests.faults.load import Load
from tests.faults.nemesis import Nemesis
from tests.faults.quiet import quiet
from tests.faults.rig import Rig, running

RATE = 60.0
"""Mails per second that the sandbox's SES account allows: slow enough for faults to strike mid-campaign."""

FINISH_WITHIN = 90.0
"""Seconds that clients still waiting for a response may take to get it."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one run."""

    kills: int
    faults: dict[str, int]
    promises: int
    repeats: int
    healed_in: float
    findings: Findings


async def storm(
    rig: Rig, seed: int, seconds: float, contacts: int, every: float = 1.0, say: Callable[[str], None] = print
) -> Report:
    """Run the load and the nemesis side by side, with one fault every `every` seconds on average."""
    load = Load(rig, seed, f"storm-{seed}-{time.time_ns() % 100_000}")
    await rig.allow(RATE)
    await load.add_contacts(contacts)
    nemesis = Nemesis(rig, seed, say, every)
    kills = rig.kills
    working = asyncio.create_task(load.run())
    breaking = asyncio.create_task(nemesis.run())
    done, _ = await asyncio.wait((working, breaking), timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
    await _ended(breaking)
    for failed in done:
        failed.result()
    load.stop()
    return await _settle(rig, load, nemesis, working, rig.kills - kills)


async def massacre(rig: Rig, seed: int, recipients: int, kills: int, say: Callable[[str], None] = print) -> Report:
    """Send one campaign while processes are killed `kills` times."""
    load = Load(rig, seed, f"massacre-{seed}")
    await load.add_contacts(recipients)
    await rig.allow(RATE)
    nemesis = Nemesis(rig, seed, say)
    campaign = await load.send_campaign()
    breaking = asyncio.create_task(nemesis.kill_only(kills, every=0.9 * recipients / RATE / kills))
    working = asyncio.create_task(load.until_sent(campaign, within=20 * recipients / RATE))
    await asyncio.wait((working,))
    await _ended(breaking)
    return await _settle(rig, load, nemesis, working, rig.kills)


async def _settle(rig: Rig, load: Load, nemesis: Nemesis, working: "asyncio.Task[object]", kills: int) -> Report:
    """Heal, let every client get its response, wait until the stack is quiet, and check the invariants."""
    await rig.heal()
    healed = time.monotonic()
    await asyncio.wait_for(working, FINISH_WITHIN)
    await quiet(rig)
    return Report(
        kills=kills,
        faults=dict(nemesis.done),
        promises=load.promised.count,
        repeats=load.promised.repeats,
        healed_in=time.monotonic() - healed,
        findings=await check(rig, load.promised, RATE),
    )


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def show(report: Report) -> None:
    found = report.findings
    lines = {
        "kills": report.kills,
        "faults": ", ".join(f"{what} {times}" for what, times in sorted(report.faults.items())),
        "promises to clients": f"{report.promises} ({report.repeats} repeats)",
        "accepted by SES": found.accepted,
        "sent": found.sent,
        "suppressed": found.suppressed,
        "failed": found.failed,
        "missing": found.missing,
        "twice": found.twice,
        "unknown": f"{found.unknown} ({found.resolved} proved by a notification, {found.resent} sent again)",
        "max in one second": f"{found.fastest} of {RATE:.0f}",
        "time to heal": f"{report.healed_in:.1f} s",
    }
    for name, value in lines.items():
        print(f"{name:>22}  {value}")
    for broken in found.broken:
        print(f"BROKEN  {broken}")
    print("the invariants hold" if not found.broken else "THE INVARIANTS DO NOT HOLD")


async def run(args: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as directory:
        async with running(Path(args.directory or directory) / f"seed-{args.seed}") as rig:
            if args.kills:
                report = await massacre(rig, args.seed, args.recipients, args.kills)
            else:
                report = await storm(rig, args.seed, args.minutes * 60, args.recipients)
            show(report)
    return 1 if report.findings.broken else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--recipients", type=int, default=400, help="contacts per campaign")
    parser.add_argument("--kills", type=int, help="run one campaign with this many kills and no other faults instead")
    parser.add_argument("--directory", help="where to keep data and logs (default: a temporary directory)")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
