"""The proof: Godwit's ledger compared with the sandbox's, which recorded every email before it answered."""

from collections import Counter
from typing import Any

import msgspec

from deploy.demo.api import Api

FINAL = ("sent", "failed", "suppressed", "cancelled")
OPEN = ("queued", "claimed", "unknown")


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of the table. `audience` is counted by the segment, `accepted` by the sandbox."""

    audience: int
    ledger: dict[str, int]
    accepted: int
    twice: int
    missing: int
    unasked: int

    @property
    def conserved(self) -> bool:
        return self.ledger["intents"] == sum(self.ledger[state] for state in FINAL + OPEN)

    @property
    def holds(self) -> bool:
        """Whether nobody was mailed twice or forgotten, and nothing is open or was never asked for."""
        nothing_open = not any(self.ledger[state] for state in OPEN)
        everyone = self.ledger["intents"] == self.audience
        return self.conserved and nothing_open and everyone and not (self.twice or self.missing or self.unasked)


async def prove(api: Api, campaign: dict[str, Any], audience: int) -> Proof:
    """Compare both ledgers for one campaign, email by email."""
    ledger = await api.get("/emails/ledger", campaignId=campaign["id"])
    intents = {email["id"]: email["state"] async for email in api.emails(campaign["id"])}
    mails = [m for m in await api.accepted() if m["tags"].get("godwit_campaign") == campaign["id"]]
    times = Counter(mail["emailId"] for mail in mails)
    sent = {email for email, state in intents.items() if state == "sent"}
    return Proof(
        audience=audience,
        ledger=ledger,
        accepted=len(mails),
        twice=sum(count - 1 for count in times.values()),
        missing=len(sent - times.keys()),
        unasked=len(times.keys() - sent),
    )
