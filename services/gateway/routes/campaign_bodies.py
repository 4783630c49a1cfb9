"""The bodies of campaigns, and the commands that they become."""

from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta

from libs.kernel.structs import shared_fields
from libs.runtime.clock import uuid7
from libs.schemas.campaigns.audience import Audience, AudienceType
from libs.schemas.campaigns.campaigns import (
    CreateCampaign,
    SendRate,
    SendWindow,
    UnknownPolicy,
    UpdateCampaign,
)
from libs.schemas.campaigns.templates import TemplateView
from libs.schemas.contacts.contacts import Condition
from libs.schemas.delivery.content import Content, Kind, Utm
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import Description, Email, Line, Name, SenderName
from services.gateway.http.json_body import Body
from services.gateway.http.partial_body import partial
from services.gateway.routes.campaign_ab_test import AbTestBody, ab_test_of

Markdown = Annotated[str, Meta(max_length=65_000, examples=["# Hello {{ firstName }}"])]
Html = Annotated[str, Meta(examples=["<p>Hello {{ firstName }}</p>"])]
Preheader = Annotated[str, Meta(max_length=255)]
Language = Annotated[str, Meta(pattern="^[a-z]{2}(-[A-Z]{2})?$", examples=["en"])]


class CampaignBody(Body, frozen=True, kw_only=True):
    """Only the name is required at first. `body` is HTML and `content` is Markdown; give one of the two.

    `sendRate` limits the mails per hour, and `sendWindow` is the time of day in which they are sent. If it is unknown
    whether Amazon SES accepted a mail, it is sent again after an hour; with `unknownPolicy: NEVER` only on request
    (`POST /emails/{id}/resend`). `utm` is added to the links.
    """

    name: Name
    description: Description | None = None
    subject: Line | None = None
    preheader: Preheader | None = None
    body: Html | None = None
    markdown: Markdown | None = msgspec.field(default=None, name="content")
    from_email: Email | None = msgspec.field(default=None, name="from")
    from_name: SenderName | None = None
    reply_to: Email | None = None
    kind: Kind = msgspec.field(default="MARKETING", name="type")
    language: Language | None = None
    audience_type: AudienceType | None = None
    segment_id: UUID | None = None
    list_id: UUID | None = None
    audience_condition: Condition | None = None
    send_rate: SendRate | None = None
    send_window: SendWindow | None = None
    unknown_policy: UnknownPolicy = "RESEND"
    ab_test: AbTestBody | None = None
    utm: Utm | None = None
    overwrite: bool = False


class NewCampaignBody(CampaignBody, frozen=True, kw_only=True):
    """Fields that are not given are taken from the template, if there is one."""

    template_id: UUID | None = None


@partial
class CampaignChanges(CampaignBody, frozen=True, kw_only=True):
    """Only the given fields are changed. Null clears a field."""

    overwrite: bool = False


def create_command(data: NewCampaignBody, template: TemplateView | None) -> CreateCampaign:
    """Return the command that creates a campaign, with the template's content for what the body leaves out."""
    fields = shared_fields(data, CreateCampaign) | {
        "campaign_id": uuid7(),
        "content": _filled_content(data, template) if template else _content(data),
        "audience": audience_of(data),
        "ab_test": ab_test_of(data.ab_test),
    }
    return CreateCampaign(**fields)


def replace_command(campaign_id: UUID, data: CampaignBody) -> UpdateCampaign:
    """Return the command that replaces all fields of a campaign."""
    # The body has two forms; the one that is not given must not clear the other.
    other = "markdown" if data.markdown is None else "body"
    return msgspec.structs.replace(update_command(campaign_id, data), **{other: UNSET})


def update_command(campaign_id: UUID, data: CampaignBody) -> UpdateCampaign:
    """Return the command that changes the fields of a campaign that are given."""
    fields = shared_fields(data, UpdateCampaign) | {"ab_test": ab_test_of(data.ab_test)}
    return UpdateCampaign(campaign_id=campaign_id, **fields)


def audience_of(data: CampaignBody) -> Audience | None:
    """Return the audience of a body. A segment or a list needs no type with it."""
    kind = data.audience_type or ("SEGMENT" if data.segment_id or data.list_id else None)
    if kind is None:
        return None
    return Audience(**shared_fields(data, Audience) | {"audience_type": kind})


def changed_audiences(data: CampaignChanges) -> list[Audience]:
    """Return the segment, the list and the condition that are given, each as an audience of its own."""
    audiences = []
    if isinstance(data.segment_id, UUID):
        audiences.append(Audience(audience_type="SEGMENT", segment_id=data.segment_id))
    if isinstance(data.list_id, UUID):
        audiences.append(Audience(audience_type="SEGMENT", list_id=data.list_id))
    if isinstance(data.audience_condition, Condition):
        audiences.append(Audience(audience_type="FILTERED", audience_condition=data.audience_condition))
    return audiences


def require_one_body(data: CampaignBody) -> None:
    """Raise if the body of the mail is given as HTML and as Markdown."""
    if isinstance(data.body, str) and isinstance(data.markdown, str):
        message = "Give the body as HTML in `body` or as Markdown in `content`, not both"
        raise invalid_field("content", message, "invalid")


def _content(data: CampaignBody) -> Content:
    return Content(
        subject=data.subject or "",
        body=data.body or "",
        from_email=data.from_email or "",
        from_name=data.from_name,
        reply_to=data.reply_to,
        kind=data.kind,
        utm=data.utm,
    )


def _filled_content(data: CampaignBody, template: TemplateView) -> Content:
    return Content(
        subject=data.subject or template.subject,
        body=data.body or template.body,
        from_email=data.from_email or template.from_email,
        from_name=data.from_name or template.from_name,
        reply_to=data.reply_to or template.reply_to,
        kind=template.kind,
        utm=data.utm,
    )
