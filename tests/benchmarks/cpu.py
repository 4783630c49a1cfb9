"""CPU seconds of every process of a running stack, which do not depend on the load of the machine."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

import psutil
from rich.table import Table

from deploy.demo.target import Target


def spent(target: Target) -> Mapping[str, float]:
    """Return the CPU seconds of each part of the stack since its start. Postgres sessions count for their role."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for file in target.layout.run.glob("*.pid"):
        if file.stem == "supervisor":  # it is the parent of all others
            continue
        with suppress(psutil.Error, ValueError):
            leader = psutil.Process(int(file.read_text()))
            for process in (leader, *leader.children(recursive=True)):
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    seconds[_name(file.stem, process)] += times.user + times.system
    return seconds


def table_of(what: str, count: int, before: Mapping[str, float], after: Mapping[str, float]) -> Table:
    """Return a table of what each part spent per item between two readings, highest first."""
    seconds = {name: used - before.get(name, 0.0) for name, used in after.items()}
    table = Table(title=f"CPU milliseconds for each {what}, with all that follows from it", title_justify="left")
    table.add_column("process")
    table.add_column("ms", justify="right")
    for name, used in sorted(seconds.items(), key=lambda item: -item[1]):
        table.add_row(name, f"{used * 1000 / count:.3f}")
    table.add_row("all", f"{sum(seconds.values()) * 1000 / count:.3f}")
    return table


def _name(part: str, process: psutil.Process) -> str:
    """Return `gateway-1`, `postgres: feedback` for a session, or `postgres` for the server's other processes."""
    if not part.startswith("postgres"):
        return part
    title = " ".join(process.cmdline())
    _, found, rest = title.partition("godwit_")
    return f"postgres: {rest.split()[0]}" if found else "postgres"
