"""A neighbour with heavy queries: what a project notices while another asks for as much as it can over 16 connections.

The other project has 100,000 contacts, and repeats audience previews with as many text searches as a condition may
have, searches that find nobody, and new definitions of a segment.
"""

from rich.table import Table

from deploy.demo.target import Target
from tests.benchmarks.load import Measured
from tests.security.attack import attack, prepare
from tests.security.victim import serve

CONTACTS, REQUESTS = 100_000, 300


async def bench(target: Target, bare: str) -> Table:
    attacker = await prepare(target, CONTACTS)
    alone = await serve(target, REQUESTS)
    async with attack(attacker) as statuses:
        beside = await serve(target, REQUESTS)
    answered = ", ".join(f"{number} x {status}" for status, number in sorted(statuses.items()))
    table = Table(title=f"a neighbour with heavy queries ({answered})", title_justify="left")
    for column in ("request", "p95 alone, ms", "p95 beside it, ms", "ratio", "errors"):
        table.add_column(column, justify="right")
    rows = {"GET /contacts": "contacts", "POST /v1/track": "track", "POST /v1/send": "send"}
    for name, kind in rows.items():
        one, other = (measured(served, kind) for served in (alone, beside))
        table.add_row(name, f"{one.p95:.1f}", f"{other.p95:.1f}", f"{other.p95 / one.p95:.1f}", str(other.errors))
    return table


def measured(served: object, kind: str) -> Measured:
    found: Measured = getattr(served, kind)
    return found
