"""How far sending is: the ledger's counts, and what mails wait for."""

from typing import Literal
from uuid import UUID

from libs.schemas.base import Instant, View
from libs.schemas.delivery.base import DeliveryQuery

WaitingFor = Literal[
    "PAUSED",
    "PROJECT_PAUSED",
    "AB_WINNER",
    "DAILY_QUOTA",
    "SEND_WINDOW",
    "SEND_RATE",
    "SES_REFUSING",
    "THROTTLED",
    "NOT_ARRIVED",
    "PROJECT_LIMIT",
    "DOMAIN_LIMIT",
    "RATE_LIMIT",
]


class GetSendingState(DeliveryQuery, tag="get-sending-state", frozen=True, kw_only=True):
    """What a campaign's queued mails wait for; `queued` is how many there are. Answers `SendingState`."""

    campaign_id: UUID
    queued: int = 0


class GetOutgoing(DeliveryQuery, tag="get-outgoing", frozen=True, kw_only=True):
    """Answers `Outgoing`."""


class GetLedger(DeliveryQuery, tag="get-ledger", frozen=True, kw_only=True):
    """The counts of the conservation law, for the project or for one campaign. Answers `Ledger`."""

    campaign_id: UUID | None = None


class SendingState(View, frozen=True, kw_only=True):
    """`waiting_for` is why queued mails are not sent yet; null if none is queued. RATE_LIMIT is how it should be.

    SEND_RATE and SEND_WINDOW are the campaign's own: then `until` is when the next mail's turn is. PROJECT_LIMIT and
    DOMAIN_LIMIT are the project's (`SetSendingLimits`). `detail` is SES's code where SES refuses, or the recipient
    domain that is limited. `rate` is what may be sent in a second now, `eta_seconds` how long the rest takes if the
    campaign has a rate or a window; null if that cannot be told.
    """

    waiting_for: WaitingFor | None
    detail: str | None
    rate: float
    until: Instant | None = None
    eta_seconds: int | None = None


class Outgoing(View, frozen=True, kw_only=True):
    """Whether mail goes out; if not, since when and why."""

    paused: bool
    since: Instant | None = None
    reason: str | None = None


class Ledger(View, frozen=True, kw_only=True):
    """intents = queued + claimed + unknown + sent + failed + suppressed + cancelled, always.

    `resolved` counts those of `sent` that a notification proved after an ambiguous call; `resent` counts second
    attempts; `duplicates` counts mails that SES is known to have accepted more than once.
    """

    intents: int
    queued: int
    claimed: int
    unknown: int
    sent: int
    failed: int
    suppressed: int
    cancelled: int
    resolved: int
    resent: int
    duplicates: int
