"""`make bench`: Godwit's throughput on this machine, each figure next to a bare POST measured in the same run."""

import argparse
import asyncio
import os
import sys
import tempfile

import uvloop

from deploy.demo.screen import console
from deploy.demo.target import Target, stack
from deploy.embedded.ports import free_ports
from tests.benchmarks import (
    campaigns,
    contacts_at_scale,
    handoff,
    heavy_queries,
    imports,
    neighbour,
    notifications,
    rate,
    rendering,
    sandbox_sends,
    segments_at_scale,
    send,
    track,
)
from tests.benchmarks.bare import bare_server

BENCHES = {
    "track": track.bench,
    "send": send.bench,
    "notifications": notifications.bench,
    "handoff": handoff.bench,
    "contacts": contacts_at_scale.bench,
    "campaigns": campaigns.bench,
    "imports": imports.bench,
    "neighbour": neighbour.bench,
    "queries": heavy_queries.bench,
}
NAMES = [*BENCHES, "rendering", "sandbox", "segments", "rate"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*NAMES, []], help="all of them if none is named")
    names = parser.parse_args().names or NAMES
    if "rendering" in names:
        rendering.main()
    if "sandbox" in names:
        sandbox_sends.main([])
    if "segments" in names:
        segments_at_scale.main([])
    if "rate" in names:
        asyncio.run(rate.main())
    if set(names) & set(BENCHES):
        uvloop.run(run([name for name in names if name in BENCHES]))
    return 0


async def run(names: list[str]) -> None:
    """Run on a separate stack, so that a benchmark neither disturbs nor measures anybody's data."""
    with tempfile.TemporaryDirectory(prefix="godwit-bench-") as data_dir:
        http, sandbox = free_ports(2)
        os.environ |= {"GODWIT_DATA_DIR": data_dir, "GODWIT_HTTP_PORT": str(http), "GODWIT_SANDBOX_PORT": str(sandbox)}
        with stack() as target, bare_server() as bare:
            for name in names:
                await show(name, target, bare)


async def show(name: str, target: Target, bare: str) -> None:
    with console.status(name):
        table = await BENCHES[name](target, bare)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
