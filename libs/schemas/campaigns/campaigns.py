"""Campaigns: the commands, events, queries and views of their content, schedule and sending."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Event, Instant, View
from libs.schemas.campaigns.ab_tests import (
    AbTest,
    AbTestView,
    DecidedBy,
    FrozenTest,
    VariantFigures,
    WinnerBy,
)
from libs.schemas.campaigns.audience import Audience, AudienceType
from libs.schemas.campaigns.base import CampaignsCommand, CampaignsQuery
from libs.schemas.contacts.contacts import Condition
from libs.schemas.delivery.content import Content, Kind, Utm

CampaignStatus = Literal["DRAFT", "SCHEDULED", "QUEUED", "SENDING", "PAUSED", "SENT", "FAILED", "CANCELLED"]
Requirement = Literal["senderEmail", "subject", "content", "audience"]
Weekday = Literal["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
WEEKDAYS: tuple[Weekday, ...] = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
TimeOfDay = Annotated[str, msgspec.Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"])]
SendRate = Annotated[int, msgspec.Meta(ge=1, le=10_000_000)]
"""Mails per hour."""
UnknownPolicy = Literal["RESEND", "NEVER"]
"""What happens to a mail that SES may or may not have accepted. RESEND sends it again after an hour, while
notifications arrive. NEVER sends it again only on request, and fails it after a day."""


class SendWindow(View, frozen=True, kw_only=True):
    """The time of day in which a campaign's mails are sent: from `start` until `end`, on `days`. An `end` that is not
    later than `start` is on the next day.

    `timezone` selects the clock: that of each recipient (`timezone` in the contact's data, an IANA name), or that of
    the project for everybody. The project's is also used for recipients without a time zone, and UTC if it has none.
    """

    start: TimeOfDay
    end: TimeOfDay
    days: Annotated[tuple[Weekday, ...], msgspec.Meta(min_length=1, max_length=7)] = WEEKDAYS
    timezone: Literal["RECIPIENT", "PROJECT"] = "RECIPIENT"


class CampaignFields(View, frozen=True, kw_only=True):
    """Everything that can be edited in a campaign: the one list of fields that commands, events and drafts share.

    `content.body` is HTML, compiled from `markdown` if there is some. What is not written yet is empty in `content`.
    """

    campaign_id: UUID
    name: str
    content: Content
    audience: Audience | None = None
    description: str | None = None
    preheader: str | None = None
    markdown: str | None = None
    language: str | None = None
    template_id: UUID | None = None
    send_rate: int | None = None
    send_window: SendWindow | None = None
    unknown_policy: UnknownPolicy = "RESEND"
    ab_test: AbTest | None = None


class CampaignCommand(CampaignsCommand, frozen=True, kw_only=True):
    """Replies with `CampaignView`.

    `asked_at` is when the caller sent the command. If the campaign's status changed since then, a command that is not
    allowed any more is rejected with CAMPAIGN_TRANSITION_IN_PROGRESS.
    """

    campaign_id: UUID
    asked_at: datetime | None = None


class CreateCampaign(CampaignFields, CampaignsCommand, tag="create-campaign", frozen=True, kw_only=True):
    """Create a DRAFT. `markdown` replaces the body of `content`. Replies with `CampaignView`."""

    asked_at: datetime | None = None


class UpdateCampaign(CampaignCommand, tag="update-campaign", frozen=True, kw_only=True):
    """Change the given fields; null clears a field. `body` is HTML, and `markdown` replaces it.

    A given segment, list or condition sets the type of the audience, unless `audience_type` is given, too. `overwrite`
    allows Markdown to replace a body with formatting that Markdown cannot express.
    """

    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    subject: str | msgspec.UnsetType | None = msgspec.UNSET
    body: str | msgspec.UnsetType | None = msgspec.UNSET
    markdown: str | msgspec.UnsetType | None = msgspec.UNSET
    preheader: str | msgspec.UnsetType | None = msgspec.UNSET
    from_email: str | msgspec.UnsetType | None = msgspec.UNSET
    from_name: str | msgspec.UnsetType | None = msgspec.UNSET
    reply_to: str | msgspec.UnsetType | None = msgspec.UNSET
    kind: Kind | msgspec.UnsetType = msgspec.UNSET
    language: str | msgspec.UnsetType | None = msgspec.UNSET
    audience_type: AudienceType | msgspec.UnsetType | None = msgspec.UNSET
    segment_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    list_id: UUID | msgspec.UnsetType | None = msgspec.UNSET
    audience_condition: Condition | msgspec.UnsetType | None = msgspec.UNSET
    send_rate: int | msgspec.UnsetType | None = msgspec.UNSET
    send_window: SendWindow | msgspec.UnsetType | None = msgspec.UNSET
    unknown_policy: UnknownPolicy | msgspec.UnsetType = msgspec.UNSET
    ab_test: AbTest | msgspec.UnsetType | None = msgspec.UNSET
    utm: Utm | msgspec.UnsetType | None = msgspec.UNSET
    overwrite: bool = False


class DuplicateCampaign(CampaignCommand, tag="duplicate-campaign", frozen=True, kw_only=True):
    """Create a DRAFT with the id `campaign_id` and the content of `original_id`."""

    original_id: UUID


class DeleteCampaign(CampaignCommand, tag="delete-campaign", frozen=True, kw_only=True):
    """Replies with `Deleted`."""


class SendCampaign(CampaignCommand, tag="send-campaign", frozen=True, kw_only=True):
    """Freeze the content and start sending. The campaign becomes QUEUED."""


class ScheduleCampaign(CampaignCommand, tag="schedule-campaign", frozen=True, kw_only=True):
    """Send the campaign later, or at another time than scheduled. It becomes SCHEDULED."""

    scheduled_for: datetime


class UnscheduleCampaign(CampaignCommand, tag="unschedule-campaign", frozen=True, kw_only=True):
    """Give up the schedule. The campaign becomes a DRAFT again."""


class CancelCampaign(CampaignCommand, tag="cancel-campaign", frozen=True, kw_only=True):
    """Cancel for good. The campaign becomes CANCELLED. Mails that SES has accepted are still reported."""


class PauseCampaign(CampaignCommand, tag="pause-campaign", frozen=True, kw_only=True):
    """Hold the mails that are not sent yet. The campaign becomes PAUSED."""


class ResumeCampaign(CampaignCommand, tag="resume-campaign", frozen=True, kw_only=True):
    """Continue a paused campaign. It becomes SENDING."""


class ChooseWinner(CampaignCommand, tag="choose-winner", frozen=True, kw_only=True):
    """Decide a running A/B test now, for this variant or for the best one so far."""

    variant: str | None = None


class CampaignEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "campaigns"
    stream: ClassVar[str] = "campaign-{campaign_id}"
    campaign_id: UUID


class CampaignDraft(CampaignFields, Event, frozen=True, kw_only=True):
    """All fields of a campaign after the event."""

    audience: Audience | None  # always there, as opposed to commands

    service: ClassVar[str] = CampaignEvent.service
    stream: ClassVar[str] = CampaignEvent.stream


class CampaignCreated(CampaignDraft, tag="campaign.created", frozen=True, kw_only=True):
    pass


class CampaignUpdated(CampaignDraft, tag="campaign.updated", frozen=True, kw_only=True):
    """All fields after the change."""


class CampaignDeleted(CampaignEvent, tag="campaign.deleted", frozen=True, kw_only=True):
    pass


class CampaignScheduled(CampaignEvent, tag="campaign.scheduled", frozen=True, kw_only=True):
    scheduled_for: datetime


class CampaignUnscheduled(CampaignEvent, tag="campaign.unscheduled", frozen=True, kw_only=True):
    pass


class CampaignMissed(CampaignEvent, tag="campaign.missed", frozen=True, kw_only=True):
    """The schedule was missed by so much that the campaign is not sent any more. It becomes FAILED."""

    scheduled_for: datetime


class CampaignFailed(CampaignEvent, tag="campaign.failed", frozen=True, kw_only=True):
    """The campaign was due and could not be sent. `code` is one of the API's error codes."""

    code: str
    reason: str


class CampaignSendingStarted(CampaignEvent, tag="campaign.sending_started", frozen=True, kw_only=True):
    """The content is frozen: this is what delivery renders, whatever happens to the campaign later. At most `send_rate`
    mails are sent per hour, and only while `send_window` is open.

    In an A/B test, the fields of a variant replace those of `content`. Recipients who are not in the test get nothing
    until `campaign.winner_decided`.
    """

    content: Content
    audience: Audience
    send_rate: int | None = None
    send_window: SendWindow | None = None
    unknown_policy: UnknownPolicy = "RESEND"
    ab_test: FrozenTest | None = None


class CampaignResolving(CampaignEvent, tag="campaign.resolving", frozen=True, kw_only=True):
    """The audience is being resolved. The campaign becomes SENDING."""


class CampaignTestSent(CampaignEvent, tag="campaign.test_sent", frozen=True, kw_only=True):
    """Every mail of the A/B test has its outcome. The winner is decided at `decide_at`."""

    decide_at: datetime


class CampaignWinnerDecided(CampaignEvent, tag="campaign.winner_decided", frozen=True, kw_only=True):
    """The rest of the audience gets `variant`, whose mail is `content`.

    `figures` are the counts at that time. `tied` means that another variant had the same rate of opens or clicks,
    whichever `winner_by` names.
    """

    variant: str
    content: Content
    decided_by: DecidedBy
    decided_at: datetime
    winner_by: WinnerBy
    figures: list[VariantFigures]
    tied: bool = False


class CampaignPaused(CampaignEvent, tag="campaign.paused", frozen=True, kw_only=True):
    pass


class CampaignResumed(CampaignEvent, tag="campaign.resumed", frozen=True, kw_only=True):
    pass


class CampaignCancelled(CampaignEvent, tag="campaign.cancelled", frozen=True, kw_only=True):
    """No more mails of the campaign are sent."""


class CampaignSent(CampaignEvent, tag="campaign.sent", frozen=True, kw_only=True):
    """The whole audience is resolved and every intent is final. `recipients` is the number of intents."""

    recipients: int


class CountDomainUses(CampaignsQuery, tag="count-domain-uses", frozen=True, kw_only=True):
    """Count what sends from a domain. Replies with `DomainUses`."""

    domain: str


class GetCampaign(CampaignsQuery, tag="get-campaign", frozen=True, kw_only=True):
    """Replies with `CampaignView`."""

    campaign_id: UUID


class ListCampaigns(CampaignsQuery, tag="list-campaigns", frozen=True, kw_only=True):
    """Newest first. Replies with `CampaignPage`."""

    page: int = 1
    page_size: int = 20
    status: CampaignStatus | None = None
    search: str | None = None


class FindCampaignsOfSegment(CampaignsQuery, tag="find-campaigns-of-segment", frozen=True, kw_only=True):
    """Find unfinished campaigns whose audience refers to the segment. Replies with a list of `CampaignUse`."""

    segment_id: UUID


class GetCampaignContent(CampaignsQuery, tag="get-campaign-content", frozen=True, kw_only=True):
    """Get what the campaign would send now, or this variant of its A/B test (by default the first).

    Replies with `Content`. Rejected with CAMPAIGN_NOT_TESTABLE, and what is missing, if it is not ready.
    """

    campaign_id: UUID
    variant: str | None = None


class DomainUses(View, frozen=True, kw_only=True):
    """How many templates and unfinished campaigns send from the domain."""

    templates: int
    campaigns: int


class CampaignUse(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    status: CampaignStatus


class Readiness(View, frozen=True, kw_only=True):
    """Whether a campaign could be sent now, and what is missing if it could not."""

    can_send: bool
    missing: list[Requirement]


class CampaignFailure(View, frozen=True, kw_only=True):
    """Why a campaign is FAILED. The code `MISSED` means that its schedule was missed."""

    code: str
    message: str


class CampaignView(View, frozen=True, kw_only=True):
    """A campaign. `content` is its body in Markdown, null if the body was written in HTML.

    `content_editable_via_api` means that Markdown may replace the body without loss. Otherwise
    `content_overwrite_required`: it takes `overwrite: true`, because formatting that Markdown cannot express is lost.
    """

    id: UUID
    name: str
    description: str | None
    status: CampaignStatus
    subject: str | None
    preheader: str | None
    body: str | None
    markdown: str | None = msgspec.field(name="content")
    content_editable_via_api: bool
    content_overwrite_required: bool
    from_email: str | None = msgspec.field(name="from")
    from_name: str | None
    reply_to: str | None
    kind: Kind = msgspec.field(name="type")
    language: str | None
    template_id: UUID | None
    audience_type: AudienceType | None
    segment_id: UUID | None
    list_id: UUID | None
    audience_condition: Condition | None
    send_rate: int | None
    send_window: SendWindow | None
    unknown_policy: UnknownPolicy
    ab_test: AbTestView | None = None
    utm: Utm | None
    total_recipients: int
    sent_count: int
    delivered_count: int
    opened_count: int
    clicked_count: int
    bounced_count: int
    readiness: Readiness
    failure: CampaignFailure | None
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
