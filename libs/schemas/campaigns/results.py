"""The results of campaigns: progress, statistics, recipients, links and the timeline."""

from typing import Literal
from uuid import UUID

from libs.schemas.base import Instant, Page, View
from libs.schemas.campaigns.base import CampaignsQuery
from libs.schemas.campaigns.campaigns import CampaignStatus

RecipientState = Literal["queued", "unknown", "sent", "failed", "suppressed", "cancelled"]
RecipientStatus = Literal[
    "queued",
    "unknown",
    "sent",
    "failed",
    "suppressed",
    "cancelled",
    "delivered",
    "opened",
    "clicked",
    "bounced",
    "complained",
    "unsubscribed",
    "not_opened",
]
"""What recipients can be filtered by: the state of the mail, or something that happened to it."""


class GetCampaignProgress(CampaignsQuery, tag="get-campaign-progress", frozen=True, kw_only=True):
    """Replies with `CampaignProgress`."""

    campaign_id: UUID


class ListCampaignRecipients(CampaignsQuery, tag="list-campaign-recipients", frozen=True, kw_only=True):
    """Ordered by contact id; `total` is that of the whole campaign. Replies with `CampaignRecipients`."""

    campaign_id: UUID
    status: RecipientStatus | None = None
    variant: str | None = None
    limit: int = 20
    cursor: str | None = None


class ListLinkClicks(CampaignsQuery, tag="list-link-clicks", frozen=True, kw_only=True):
    """The most clicked first. Replies with a list of `LinkClicks`."""

    campaign_id: UUID


class GetCampaignTimeline(CampaignsQuery, tag="get-campaign-timeline", frozen=True, kw_only=True):
    """The hours in which something happened. Replies with a list of `CampaignHour`."""

    campaign_id: UUID


class GetAbTestResults(CampaignsQuery, tag="get-ab-test-results", frozen=True, kw_only=True):
    """Replies with `AbTestResults`. Rejected with AB_TEST_NOT_FOUND if the campaign has no A/B test."""

    campaign_id: UUID


class GetCampaignStats(CampaignsQuery, tag="get-campaign-stats", frozen=True, kw_only=True):
    """Replies with `CampaignStats`."""

    campaign_id: UUID


class CampaignStats(View, frozen=True, kw_only=True):
    """Counts of recipients. The rates are percentages (0-100) of `sent_count`.

    Opens, clicks and bounces count each mail once; `total_opens` and `total_clicks` count every event. `resolved` is
    the number of recipients found so far, `queued` the number of those whose mail has no outcome yet, and
    `unknown_count` the number of those whose mail SES may or may not have accepted.
    """

    status: CampaignStatus
    total_recipients: int
    resolved: int
    queued: int
    sent_count: int
    failed_count: int
    suppressed_count: int
    suppressed_by_reason: dict[str, int] = {}
    cancelled_count: int
    unknown_count: int = 0
    delivered_count: int
    opened_count: int
    clicked_count: int
    total_opens: int = 0
    total_clicks: int = 0
    bounced_count: int
    hard_bounced_count: int = 0
    soft_bounced_count: int = 0
    complained_count: int
    unsubscribed_count: int
    delivery_rate: float
    open_rate: float
    click_rate: float
    bounce_rate: float
    complaint_rate: float = 0.0
    unsubscribe_rate: float = 0.0


class CampaignRecipient(View, frozen=True, kw_only=True):
    """A recipient of a campaign, and what happened to their mail. `email` is null once the contact is deleted.

    `variant` is the variant of the A/B test that the recipient gets, either as a part of the test (`in_test`) or with
    the rest, whose variant is null until the winner is decided.
    """

    contact_id: UUID
    email: str | None
    email_id: UUID | None
    status: RecipientState
    reason: str | None
    sent_at: Instant | None
    delivered_at: Instant | None
    opened_at: Instant | None
    clicked_at: Instant | None
    bounced_at: Instant | None
    soft_bounced_at: Instant | None
    complained_at: Instant | None
    unsubscribed: bool
    opens: int
    clicks: int
    variant: str | None = None
    in_test: bool = False


class CampaignRecipients(Page, frozen=True, kw_only=True):
    data: list[CampaignRecipient]


class LinkClicks(View, frozen=True, kw_only=True):
    """A link of a campaign: the number of clicks on it, and of contacts who clicked."""

    link: str
    clicks: int
    unique_clicks: int
    first_clicked_at: Instant
    last_clicked_at: Instant


class CampaignHour(View, frozen=True, kw_only=True):
    """What happened in the hour that starts at `hour`. Each mail counts once per kind."""

    hour: Instant
    sent: int
    delivered: int
    opened: int
    clicked: int
    bounced: int
    complained: int


class CampaignProgress(View, frozen=True, kw_only=True):
    """How far the sending of a campaign is. `audience_known` means that `total_recipients` is final. `rate` is the
    mails per second so far, and `eta_seconds` the time that the rest takes; both are null if unknown. `decide_at` is
    when the winner of an A/B test is decided, null unless the campaign is waiting for it."""

    status: CampaignStatus
    audience_known: bool
    total_recipients: int
    resolved: int
    queued: int
    sent: int
    failed: int
    suppressed: int
    cancelled: int
    unknown: int
    rate: float | None
    eta_seconds: int | None
    decide_at: Instant | None = None
