"""A/B tests of campaigns: several variants for a share of the audience, and the winner for the rest."""

from typing import Literal

import msgspec

from libs.schemas.base import Instant, View

WinnerBy = Literal["opens", "clicks"]
AbTestPhase = Literal["TESTING", "WAITING", "DECIDED"]
"""The test's mails are being sent; they are sent, and recipients have time to open them; the winner is known."""
DecidedBy = Literal["deadline", "operator", "audience_too_small"]


class Variant(View, frozen=True, kw_only=True):
    """What differs from the campaign; null fields are the campaign's. `body` is HTML, compiled from the Markdown in
    `content` if there is some."""

    key: str
    subject: str | None = None
    preheader: str | None = None
    body: str | None = None
    markdown: str | None = msgspec.field(default=None, name="content")


class AbTest(View, frozen=True, kw_only=True):
    """`share_percent` of the audience get the variants, in equal parts. `decide_after_minutes` after the last of their
    mails is sent, the variant with the highest rate of unique opens or clicks wins, and the rest gets it."""

    variants: list[Variant]
    share_percent: int = 20
    winner_by: WinnerBy = "opens"
    decide_after_minutes: int = 240

    @property
    def keys(self) -> list[str]:
        return [variant.key for variant in self.variants]


class FrozenVariant(View, frozen=True, kw_only=True):
    """The subject and body that replace those of the campaign; null fields are the campaign's."""

    key: str
    subject: str | None = None
    body: str | None = None


class FrozenTest(View, frozen=True, kw_only=True):
    """The test of a campaign that is being sent."""

    variants: list[FrozenVariant]
    share_percent: int

    @property
    def keys(self) -> list[str]:
        return [variant.key for variant in self.variants]


class VariantFigures(View, frozen=True, kw_only=True):
    """The counts of a variant's recipients in the test. `opened` and `clicked` count recipients, not events, and ignore
    machines."""

    key: str
    recipients: int = 0
    sent: int = 0
    delivered: int = 0
    opened: int = 0
    clicked: int = 0


class AbTestView(View, frozen=True, kw_only=True):
    """A campaign's A/B test. `phase` and the fields after it are null until the campaign is sent. `decide_at` is when
    the winner is decided, unless somebody chooses it earlier."""

    variants: list[Variant]
    share_percent: int
    winner_by: WinnerBy
    decide_after_minutes: int
    phase: AbTestPhase | None
    decide_at: Instant | None
    winner: str | None
    decided_by: DecidedBy | None
    decided_at: Instant | None


class VariantResult(View, frozen=True, kw_only=True):
    """Counts of recipients. Opens, clicks and bounces count each mail once, `total_opens` and `total_clicks` every
    event. The rates are percentages (0-100) of `sent_count`."""

    total_recipients: int
    sent_count: int
    failed_count: int
    suppressed_count: int
    cancelled_count: int
    delivered_count: int
    opened_count: int
    clicked_count: int
    total_opens: int
    total_clicks: int
    hard_bounced_count: int
    soft_bounced_count: int
    complained_count: int
    unsubscribed_count: int
    delivery_rate: float
    open_rate: float
    click_rate: float
    complaint_rate: float
    unsubscribe_rate: float


class TestedVariant(VariantResult, frozen=True, kw_only=True):
    """The results of a variant within the test. `lift` is by how many percent its deciding rate, opens or clicks, is
    above that of the first variant; null for the first variant, and if that has a rate of 0."""

    key: str
    subject: str | None
    lift: float | None


class DecisionView(View, frozen=True, kw_only=True):
    """The variant that the rest gets, and the figures that decided it. `tied` means that another variant had the same
    rate."""

    winner: str
    decided_by: DecidedBy
    decided_at: Instant
    tied: bool
    figures: list[VariantFigures]


class AbTestResults(View, frozen=True, kw_only=True):
    """The variants next to each other. `leader` is the variant that would win now; null while nothing is sent. `rest`
    is the audience outside the test."""

    phase: AbTestPhase | None
    winner_by: WinnerBy
    share_percent: int
    decide_at: Instant | None
    variants: list[TestedVariant]
    leader: str | None
    rest: VariantResult
    decision: DecisionView | None
