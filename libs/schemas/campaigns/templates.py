"""Templates: their commands, events, queries and views."""

from typing import ClassVar
from uuid import UUID

import msgspec

from libs.schemas.base import Event, Instant, View
from libs.schemas.campaigns.base import CampaignsCommand, CampaignsQuery
from libs.schemas.campaigns.campaigns import CampaignStatus
from libs.schemas.delivery.content import Content, Kind


class TemplateContent(View, frozen=True, kw_only=True):
    """What a template holds: the one list of fields that commands, events and versions share."""

    template_id: UUID
    name: str
    content: Content
    description: str | None = None


class TemplateCommand(CampaignsCommand, frozen=True, kw_only=True):
    """Replies with `TemplateView`. A syntax error in subject or body is rejected with its line and column."""

    template_id: UUID


class CreateTemplate(TemplateContent, CampaignsCommand, tag="create-template", frozen=True, kw_only=True):
    """Replies with `TemplateView`."""


class UpdateTemplate(TemplateCommand, tag="update-template", frozen=True, kw_only=True):
    """Change the given fields."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    subject: str | msgspec.UnsetType = msgspec.UNSET
    body: str | msgspec.UnsetType = msgspec.UNSET
    from_email: str | msgspec.UnsetType = msgspec.UNSET
    from_name: str | msgspec.UnsetType | None = msgspec.UNSET
    reply_to: str | msgspec.UnsetType | None = msgspec.UNSET
    kind: Kind | msgspec.UnsetType = msgspec.UNSET


class DuplicateTemplate(TemplateCommand, tag="duplicate-template", frozen=True, kw_only=True):
    """Create a template with the id `template_id` and the content of `original_id`."""

    original_id: UUID


class RestoreTemplate(TemplateCommand, tag="restore-template", frozen=True, kw_only=True):
    """Set the content back to that of a version. The current content stays a version, too."""

    version: int


class DeleteTemplate(TemplateCommand, tag="delete-template", frozen=True, kw_only=True):
    """Replies with `Deleted`. Rejected with TEMPLATE_IN_USE while an unfinished campaign uses it."""


# --- events ----------------------------------------------------------------------------------------------------------


class TemplateEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "campaigns"
    stream: ClassVar[str] = "template-{template_id}"
    template_id: UUID


class TemplateSaved(TemplateContent, Event, frozen=True, kw_only=True):
    """All fields of a template after the event."""

    service: ClassVar[str] = TemplateEvent.service
    stream: ClassVar[str] = TemplateEvent.stream


class TemplateCreated(TemplateSaved, tag="template.created", frozen=True, kw_only=True):
    pass


class TemplateUpdated(TemplateSaved, tag="template.updated", frozen=True, kw_only=True):
    """`restored` is the version whose content this is, if one was restored."""

    restored: int | None = None


class TemplateDeleted(TemplateEvent, tag="template.deleted", frozen=True, kw_only=True):
    pass


class GetTemplate(CampaignsQuery, tag="get-template", frozen=True, kw_only=True):
    """Replies with `TemplateView`."""

    template_id: UUID


class ListTemplates(CampaignsQuery, tag="list-templates", frozen=True, kw_only=True):
    """Newest first. `search` is a part of the name or the subject. Replies with `TemplatePage`."""

    page: int = 1
    page_size: int = 20
    search: str | None = None
    kind: Kind | None = None


class GetTemplateUsage(CampaignsQuery, tag="get-template-usage", frozen=True, kw_only=True):
    """The campaigns that were made from a template, newest first. Replies with a list of `TemplateCampaign`."""

    template_id: UUID


class ListTemplateVersions(CampaignsQuery, tag="list-template-versions", frozen=True, kw_only=True):
    """Newest first. Replies with a list of `TemplateVersion`."""

    template_id: UUID


class TemplateView(View, frozen=True, kw_only=True):
    """A template. `variables` are the names that it uses, such as `firstName` or `order.total`."""

    id: UUID
    name: str
    description: str | None
    subject: str
    body: str
    from_email: str = msgspec.field(name="from")
    from_name: str | None
    reply_to: str | None
    kind: Kind = msgspec.field(name="type")
    variables: list[str] = []
    version: int = 1
    created_at: Instant
    updated_at: Instant


class TemplateVersion(View, frozen=True, kw_only=True):
    """A version of a template. `restored` is the older version that it restored, if any."""

    version: int
    name: str
    description: str | None
    subject: str
    body: str
    from_email: str = msgspec.field(name="from")
    from_name: str | None
    reply_to: str | None
    kind: Kind = msgspec.field(name="type")
    restored: int | None
    created_at: Instant


class TemplateCampaign(View, frozen=True, kw_only=True):
    """A campaign that was made from a template."""

    id: UUID
    name: str
    status: CampaignStatus


class TemplatePage(View, frozen=True, kw_only=True):
    data: list[TemplateView]
    total: int
    page: int
    page_size: int
    total_pages: int
