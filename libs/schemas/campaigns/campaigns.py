"""Templates and campaigns: what the campaigns service accepts, says and answers."""

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
"""Mails in an hour."""
UnknownPolicy = Literal["RESEND", "NEVER"]
"""What becomes of a mail of which nobody can say whether SES has it: it is sent once more after an hour, while
notifications flow, or never, unless somebody asks for it; after a day it has failed."""


class SendWindow(View, frozen=True, kw_only=True):
    """Hours in which a campaign's mails are handed to SES: from `start` until `end`, on `days`. An `end` that is not
    later than `start` is on the next day.

    `timezone` says whose clock counts: each recipient's (`timezone` in the contact's data, an IANA name) or everywhere
    the project's. Where the recipient's is not known it is the project's, and UTC where that is not set.
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
    """Answers `CampaignView`.

    `asked_at` is when the caller asked: a transition that is refused because another one came in between is refused
    with CAMPAIGN_TRANSITION_IN_PROGRESS.
    """

    campaign_id: UUID
    asked_at: datetime | None = None


class CreateCampaign(CampaignFields, CampaignsCommand, tag="create-campaign", frozen=True, kw_only=True):
    """Create a DRAFT. `markdown` replaces the body of `content`. Replies with `CampaignView`."""

    asked_at: datetime | None = None


class UpdateCampaign(CampaignCommand, tag="update-campaign", frozen=True, kw_only=True):
    """Change the fields that are given; null empties one. `body` is HTML, `markdown` takes its place.

    A segment, a list or a condition that is given says what type the audience has, unless `audience_type` does.
    `overwrite` lets Markdown replace a body that has more than Markdown can say.
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
    """Begin a DRAFT with the id `campaign_id` that says what `original_id` says."""

    original_id: UUID


class DeleteCampaign(CampaignCommand, tag="delete-campaign", frozen=True, kw_only=True):
    """Answers `Deleted`."""


class SendCampaign(CampaignCommand, tag="send-campaign", frozen=True, kw_only=True):
    """Freeze the content and start sending: QUEUED."""


class ScheduleCampaign(CampaignCommand, tag="schedule-campaign", frozen=True, kw_only=True):
    """Send later: SCHEDULED. Moves a schedule that there is."""

    scheduled_for: datetime


class UnscheduleCampaign(CampaignCommand, tag="unschedule-campaign", frozen=True, kw_only=True):
    """Back to DRAFT."""


class CancelCampaign(CampaignCommand, tag="cancel-campaign", frozen=True, kw_only=True):
    """For good: CANCELLED. What SES has is not called back, and is still reported."""


class PauseCampaign(CampaignCommand, tag="pause-campaign", frozen=True, kw_only=True):
    """Hold what is not handed to SES yet: PAUSED."""


class ResumeCampaign(CampaignCommand, tag="resume-campaign", frozen=True, kw_only=True):
    """Go on: SENDING."""


class ChooseWinner(CampaignCommand, tag="choose-winner", frozen=True, kw_only=True):
    """Decide a running A/B test now: for this variant, or for the best by what is counted so far."""

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
    """The values after the change."""


class CampaignDeleted(CampaignEvent, tag="campaign.deleted", frozen=True, kw_only=True):
    pass


class CampaignScheduled(CampaignEvent, tag="campaign.scheduled", frozen=True, kw_only=True):
    scheduled_for: datetime


class CampaignUnscheduled(CampaignEvent, tag="campaign.unscheduled", frozen=True, kw_only=True):
    pass


class CampaignMissed(CampaignEvent, tag="campaign.missed", frozen=True, kw_only=True):
    """It could not be sent when it was due, and is not sent so much later without being asked for again: FAILED."""

    scheduled_for: datetime


class CampaignFailed(CampaignEvent, tag="campaign.failed", frozen=True, kw_only=True):
    """It was due and could not be sent. `code` is one of the API's."""

    code: str
    reason: str


class CampaignSendingStarted(CampaignEvent, tag="campaign.sending_started", frozen=True, kw_only=True):
    """The content is frozen here: what delivery renders is this, whatever happens to the campaign later. At most
    `send_rate` mails go out in an hour, and only while `send_window` is open.

    With an A/B test, each variant is what it says in place of `content`'s; and who is not in the test gets nothing
    until `campaign.winner_decided`.
    """

    content: Content
    audience: Audience
    send_rate: int | None = None
    send_window: SendWindow | None = None
    unknown_policy: UnknownPolicy = "RESEND"
    ab_test: FrozenTest | None = None


class CampaignResolving(CampaignEvent, tag="campaign.resolving", frozen=True, kw_only=True):
    """Its audience is being resolved: SENDING."""


class CampaignTestSent(CampaignEvent, tag="campaign.test_sent", frozen=True, kw_only=True):
    """Every mail of its A/B test has its outcome; the winner is decided at `decide_at`."""

    decide_at: datetime


class CampaignWinnerDecided(CampaignEvent, tag="campaign.winner_decided", frozen=True, kw_only=True):
    """The rest of the audience gets `variant`, which says `content`.

    `figures` is what was counted then. `tied` says that another variant had the same rate of what `winner_by` names.
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
    """Nothing of it is handed to SES from here on."""


class CampaignSent(CampaignEvent, tag="campaign.sent", frozen=True, kw_only=True):
    """Every page of the audience is in and every intent is final. `recipients` is the number of intents."""

    recipients: int


class CountDomainUses(CampaignsQuery, tag="count-domain-uses", frozen=True, kw_only=True):
    """What sends from a domain. Answers `DomainUses`."""

    domain: str


class GetCampaign(CampaignsQuery, tag="get-campaign", frozen=True, kw_only=True):
    """Answers `CampaignView`."""

    campaign_id: UUID


class ListCampaigns(CampaignsQuery, tag="list-campaigns", frozen=True, kw_only=True):
    """Newest first. Answers `CampaignPage`."""

    page: int = 1
    page_size: int = 20
    status: CampaignStatus | None = None
    search: str | None = None


class FindCampaignsOfSegment(CampaignsQuery, tag="find-campaigns-of-segment", frozen=True, kw_only=True):
    """Campaigns that are not over and whose audience names the segment. Answers a list of `CampaignUse`."""

    segment_id: UUID


class GetCampaignContent(CampaignsQuery, tag="get-campaign-content", frozen=True, kw_only=True):
    """What the campaign would send now; of one with an A/B test this variant, or the first. Refused with
    CAMPAIGN_NOT_TESTABLE, and what is missing. Answers `Content`."""

    campaign_id: UUID
    variant: str | None = None


class DomainUses(View, frozen=True, kw_only=True):
    """Templates, and campaigns that are not finished, whose from address is of the domain."""

    templates: int
    campaigns: int


class CampaignUse(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    status: CampaignStatus


class Readiness(View, frozen=True, kw_only=True):
    """Whether a campaign could be sent now, and what is missing if not."""

    can_send: bool
    missing: list[Requirement]


class CampaignFailure(View, frozen=True, kw_only=True):
    """Why a campaign is FAILED. The code `MISSED` is for a schedule that could not be kept."""

    code: str
    message: str


class CampaignView(View, frozen=True, kw_only=True):
    """A campaign. `content` is its Markdown; it is null where the body is HTML.

    `content_editable_via_api` says that the body can be had as Markdown, `content_overwrite_required` that replacing it
    by Markdown needs `overwrite: true`, because it would lose what Markdown cannot say.
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
