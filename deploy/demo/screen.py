"""The demo's output: progress while it runs, and the table at the end."""

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.demo.proof import Proof

console = Console()

COUNTS = {
    "sent": "sentCount",
    "delivered": "deliveredCount",
    "opened": "openedCount",
    "clicked": "clickedCount",
    "bounced": "bouncedCount",
}


def progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(40),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        refresh_per_second=3,
    )


class CampaignBars:
    """One progress bar for each count of a campaign."""

    def __init__(self, bars: Progress, audience: int) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {name: bars.add_task(name, total=audience) for name in COUNTS}

    def show(self, stats: dict[str, Any]) -> None:
        for name, count in COUNTS.items():
            self._bars.update(self._tasks[name], completed=stats[count])


def table(proof: Proof, stats: dict[str, Any], follow_ups: int) -> Table:
    ledger = proof.ledger
    rows: list[tuple[str, int, str]] = [
        ("audience", proof.audience, "contacts in the segment, counted when the campaign was sent"),
        ("intents", ledger["intents"], "rows of the send ledger: one per campaign and contact, by a unique index"),
        ("accepted", proof.accepted, "emails in the sandbox's own ledger, recorded before it answered"),
        ("sent", ledger["sent"], "intents that SES is known to have"),
        (
            "  resolved unknowns",
            ledger["resolved"],
            "of these, proven by a notification after a call without an answer",
        ),
        ("  sent again", ledger["resent"], "of these, second attempts after the grace ended without proof"),
        ("suppressed", ledger["suppressed"], "left out at the last moment: unsubscribed, bounced or complained before"),
        ("failed", ledger["failed"], "rejected by SES for good, each with its reason"),
        ("still open", ledger["queued"] + ledger["claimed"] + ledger["unknown"], "queued, claimed or unknown"),
        ("delivered", stats["deliveredCount"], "Delivery notifications"),
        ("opened / clicked", stats["openedCount"], f"Open notifications; {stats['clickedCount']} of them clicked"),
        ("bounced", stats["bouncedCount"], "Bounce notifications; the permanent ones are unsubscribed"),
        ("follow-ups", follow_ups, "emails of the workflow to those who clicked, in the sandbox's ledger"),
        ("twice", proof.twice, "emails that the sandbox accepted more than once"),
        ("missing", proof.missing, "intents shown as sent that the sandbox never accepted"),
        ("unasked", proof.unasked, "emails in the sandbox without a sent intent"),
    ]
    shown = Table(title="No one twice, no one forgotten", title_justify="left", show_lines=False)
    shown.add_column("")
    shown.add_column("count", justify="right")
    shown.add_column("where the number comes from")
    for name, count, source in rows:
        shown.add_row(name, f"{count:,}", source, style=_style(name, count))
    return shown


def _style(name: str, count: int) -> str | None:
    if name not in ("twice", "missing", "unasked", "still open"):
        return None
    return "bold red" if count else "bold green"
