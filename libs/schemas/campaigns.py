"""Templates and campaigns: what the campaigns service accepts, says and answers."""

from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Event, Instant, Query, View
from libs.schemas.contacts import Condition
from libs.schemas.delivery import Content, Kind

AudienceType = Literal["ALL", "SEGMENT", "FILTERED"]
CampaignStatus = Literal["DRAFT", "SCHEDULED", "QUEUED", "SENDING", "SENT", "FAILED", "CANCELLED"]


class Audience(View, frozen=True, kw_only=True):
    """Whom a campaign goes to: all subscribed contacts, a segment, or those for whom a condition holds."""

    audience_type: AudienceType
    segment_id: UUID | None = None
    audience_condition: Condition | None = None


# --- commands --------------------------------------------------------------------------------------------------------


class CampaignsCommand(Command, frozen=True, kw_only=True):
    service: ClassVar[str] = "campaigns"


class CreateTemplate(CampaignsCommand, tag="create-template", frozen=True, kw_only=True):
    """Answers `TemplateView`. A syntax error in subject or body is refused with line and column."""

    template_id: UUID
    name: str
    content: Content
    description: str | None = None


class CreateCampaign(CampaignsCommand, tag="create-campaign", frozen=True, kw_only=True):
    """Answers `CampaignView`, in DRAFT."""

    campaign_id: UUID
    name: str
    content: Content
    audience: Audience
    description: str | None = None


class SendCampaign(CampaignsCommand, tag="send-campaign", frozen=True, kw_only=True):
    """Freeze the content and start sending. Answers `CampaignView`, in SENDING."""

    campaign_id: UUID


# --- events ----------------------------------------------------------------------------------------------------------


class TemplateCreated(Event, tag="template.created", frozen=True, kw_only=True):
    service: ClassVar[str] = "campaigns"
    stream: ClassVar[str] = "template-{template_id}"
    template_id: UUID
    name: str
    content: Content
    description: str | None = None


class CampaignEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "campaigns"
    stream: ClassVar[str] = "campaign-{campaign_id}"
    campaign_id: UUID


class CampaignCreated(CampaignEvent, tag="campaign.created", frozen=True, kw_only=True):
    name: str
    content: Content
    audience: Audience
    description: str | None = None


class CampaignSendingStarted(CampaignEvent, tag="campaign.sending_started", frozen=True, kw_only=True):
    """The content is frozen here: what delivery renders is this, whatever happens to the campaign later."""

    content: Content
    audience: Audience


class CampaignSent(CampaignEvent, tag="campaign.sent", frozen=True, kw_only=True):
    """Every page of the audience is in and every intent is final. `recipients` is the number of intents."""

    recipients: int


# --- queries and answers ---------------------------------------------------------------------------------------------


class CampaignsQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "campaigns"


class GetTemplate(CampaignsQuery, tag="get-template", frozen=True, kw_only=True):
    """Answers `TemplateView`."""

    template_id: UUID


class ListTemplates(CampaignsQuery, tag="list-templates", frozen=True, kw_only=True):
    """Newest first. Answers `TemplatePage`."""

    page: int = 1
    page_size: int = 20


class GetCampaign(CampaignsQuery, tag="get-campaign", frozen=True, kw_only=True):
    """Answers `CampaignView`."""

    campaign_id: UUID


class ListCampaigns(CampaignsQuery, tag="list-campaigns", frozen=True, kw_only=True):
    """Newest first. Answers `CampaignPage`."""

    page: int = 1
    page_size: int = 20
    status: CampaignStatus | None = None


class GetCampaignStats(CampaignsQuery, tag="get-campaign-stats", frozen=True, kw_only=True):
    """Answers `CampaignStats`."""

    campaign_id: UUID


class TemplateView(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    description: str | None
    subject: str
    body: str
    from_: str = msgspec.field(name="from")
    from_name: str | None
    reply_to: str | None
    type_: Kind = msgspec.field(name="type")
    created_at: Instant
    updated_at: Instant


class TemplatePage(View, frozen=True, kw_only=True):
    data: list[TemplateView]
    total: int
    page: int
    page_size: int
    total_pages: int


class CampaignView(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    description: str | None
    status: CampaignStatus
    subject: str
    body: str
    from_: str = msgspec.field(name="from")
    from_name: str | None
    reply_to: str | None
    type_: Kind = msgspec.field(name="type")
    audience_type: AudienceType
    segment_id: UUID | None
    audience_condition: Condition | None
    total_recipients: int
    sent_count: int
    delivered_count: int
    opened_count: int
    clicked_count: int
    bounced_count: int
    scheduled_for: Instant | None
    sent_at: Instant | None
    created_at: Instant
    updated_at: Instant


class CampaignPage(View, frozen=True, kw_only=True):
    data: list[CampaignView]
    total: int
    page: int
    page_size: int
    total_pages: int


class CampaignStats(View, frozen=True, kw_only=True):
    """Counts of recipients; the rates are percentages (0-100) of `sent_count`.

    Opens, clicks and bounces count each mail once. `resolved` is the number of recipients that the audience has so
    far, `queued` those whose mail has no outcome yet.
    """

    status: CampaignStatus
    total_recipients: int
    resolved: int
    queued: int
    sent_count: int
    failed_count: int
    suppressed_count: int
    cancelled_count: int
    delivered_count: int
    opened_count: int
    clicked_count: int
    bounced_count: int
    complained_count: int
    unsubscribed_count: int
    delivery_rate: float
    open_rate: float
    click_rate: float
    bounce_rate: float
