"""Messages of the delivery service about the progress of sending: the ledger, and what queued mails wait for."""

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
    """Get what the `queued` mails of a campaign wait for. Replies with `SendingState`."""

    campaign_id: UUID
    queued: int = 0


class GetOutgoing(DeliveryQuery, tag="get-outgoing", frozen=True, kw_only=True):
    """Get whether mail goes out. Replies with `Outgoing`."""


class GetLedger(DeliveryQuery, tag="get-ledger", frozen=True, kw_only=True):
    """Count the email intents of the project or of one campaign by state. Replies with `Ledger`."""

    campaign_id: UUID | None = None


class SendingState(View, frozen=True, kw_only=True):
    """Why queued mails are not sent yet.

    `waiting_for` is null if none is queued, and RATE_LIMIT in normal operation. SEND_RATE and SEND_WINDOW are settings
    of the campaign, and `until` is when its next mail is due. PROJECT_LIMIT and DOMAIN_LIMIT are the project's own
    (`SetSendingLimits`). `detail` is SES's error code if SES refuses, or the limited recipient domain. `rate` is how
    many mails per second may be sent now; `eta_seconds` is the time that the rest will take if the campaign has a rate
    or a window, null if that is not known.
    """

    waiting_for: WaitingFor | None
    detail: str | None
    rate: float
    until: Instant | None = None
    eta_seconds: int | None = None


class Outgoing(View, frozen=True, kw_only=True):
    """Whether mail goes out and, if not, since when and why."""

    paused: bool
    since: Instant | None = None
    reason: str | None = None


class Ledger(View, frozen=True, kw_only=True):
    """Email intents by state: intents = queued + claimed + unknown + sent + failed + suppressed + cancelled, always.

    `resolved` counts those of `sent` that a notification confirmed after a call without a clear outcome; `resent`
    counts second attempts; `duplicates` counts mails that SES is known to have accepted more than once.
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
