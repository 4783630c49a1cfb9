"""Run the demo. The exit code is 0 only if the table holds."""

import argparse
import asyncio
import os
import signal
import sys
import time
from typing import Any

from deploy.demo import scenario, screen
from deploy.demo.api import Api, RequestFailed, connect, import_contacts
from deploy.demo.memory import proportional_megabytes
from deploy.demo.proof import Proof, prove
from deploy.demo.target import CannotRun, Target, stack
from deploy.embedded.errors import CannotStart

SETTLE_LIMIT = 90.0
POLL_SECONDS = 0.5
VICTIM = "delivery-1"

console = screen.console


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--victim", default=VICTIM, help=f"process to kill in the middle of the campaign ({VICTIM})")
    args = parser.parse_args()
    started = time.monotonic()
    try:
        with stack() as target:
            took = time.monotonic() - started
            console.print(f"[bold]godwit[/] at {target.endpoints.url}, {took:.1f} s after the start")
            return asyncio.run(run_scenario(target, args.victim, started))
    except (CannotRun, CannotStart, RequestFailed) as error:
        console.print(f"godwit: {error}", style="red", markup=False)
        return 1


async def run_scenario(target: Target, victim: str, started: float) -> int:
    domain = os.environ.get("GODWIT_BOOTSTRAP_DOMAIN", "example.com")
    async with connect(target) as api:
        await show_import(target)
        segment = await scenario.make_segment(api)
        workflow = await scenario.make_workflow(api, domain)
        campaign = await scenario.make_campaign(api, domain, segment)
        audience = (await api.get(f"/segments/{segment['id']}/contacts", pageSize=1))["total"]
        console.print(f"segment [bold]{segment['name']}[/]: {audience:,} contacts")
        await send_and_watch(api, target, campaign, audience, victim)
        proof = await settle(api, campaign, audience)
        stats = await api.get(f"/campaigns/{campaign['id']}/stats")
        mails = await api.accepted()
        follow_ups = sum(mail["tags"].get("godwit_workflow") == workflow["id"] for mail in mails)
    return conclude(target, proof, stats, follow_ups, started)


async def show_import(target: Target) -> None:
    with screen.progress() as bars:
        bar = bars.add_task("imported", total=5000)
        async for saved in import_contacts(target):
            bars.update(bar, completed=saved)


async def send_and_watch(api: Api, target: Target, campaign: dict[str, Any], audience: int, victim: str) -> None:
    """Send the campaign, show its counts, and kill one process once a third is sent."""
    await api.post(f"/campaigns/{campaign['id']}/send", {})
    killed = False
    with screen.progress() as bars:
        shown = screen.CampaignBars(bars, audience)
        while True:
            stats = await api.get(f"/campaigns/{campaign['id']}/stats")
            shown.show(stats)
            if not killed and stats["sentCount"] * 3 >= audience:
                killed = kill(target, victim)
            if stats["status"] == "SENT":
                return
            await asyncio.sleep(POLL_SECONDS)


def kill(target: Target, victim: str) -> bool:
    pid = target.pid_of(victim)
    os.kill(pid, signal.SIGKILL)
    console.print(f"[red]SIGKILL[/] to {victim} (process {pid}) in the middle of the campaign; it is restarted")
    return True


async def settle(api: Api, campaign: dict[str, Any], audience: int) -> Proof:
    """Wait until the statistics stop changing or the time is up, then compare the ledgers."""
    deadline = time.monotonic() + SETTLE_LIMIT
    with console.status("waiting for the last notifications and follow-ups"):
        before: dict[str, Any] = {}
        while time.monotonic() < deadline:
            await asyncio.sleep(2)
            stats = await api.get(f"/campaigns/{campaign['id']}/stats")
            if stats == before:
                break
            before = stats
    return await prove(api, campaign, audience)


def conclude(target: Target, proof: Proof, stats: dict[str, Any], follow_ups: int, started: float) -> int:
    console.print(screen.table(proof, stats, follow_ups))
    took, memory = time.monotonic() - started, proportional_megabytes(target.layout)
    console.print(f"{took:.0f} s in total; all processes together use {memory} MB (shared pages counted once)")
    if not proof.holds:
        console.print("The table does not add up: `godwit audit` shows where.", style="bold red")
        return 1
    console.print(
        "The table adds up: intents = sent + failed + suppressed + cancelled, nobody twice, nobody forgotten."
    )
    console.print(f"Next: `make up`, then the API at {target.endpoints.url}/docs")
    console.print(f"      and everything that was sent at {target.endpoints.sandbox_url}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
