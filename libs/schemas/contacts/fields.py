"""Custom fields: the keys of contacts' data, which the contacts service keeps."""

from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Event, Query, View
from libs.schemas.contacts.jobs import JobEvent
from libs.schemas.contacts.segments import NamedReference

FieldType = Literal["string", "number", "boolean", "date"]


class DeleteField(Command, tag="delete-field", frozen=True, kw_only=True):
    """Take the key out of every contact's data, page by page. `field` is the key itself. Answers `FieldDeletion`."""

    service: ClassVar[str] = "contacts"
    job_id: UUID
    field: str


class FieldEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "field-deletion-{job_id}"
    job_id: UUID
    field: str


class FieldDeletionStarted(FieldEvent, tag="field.deletion_started", frozen=True, kw_only=True):
    """`contacts` had the field then."""

    contacts: int


class FieldDeleted(FieldEvent, tag="field.deleted", frozen=True, kw_only=True):
    """Every contact has been looked at; `contacts` lost the field, each by a `contact.updated` of its own."""

    contacts: int


class FieldDeletionJobStarted(JobEvent, tag="field-deletion.started", frozen=True, kw_only=True):
    """The job that takes the field out of contacts, of whom so many `rows` had it."""

    field: str
    rows: int


class FieldQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class ListFields(FieldQuery, tag="list-fields", frozen=True, kw_only=True):
    """Answers `FieldList`."""


class ListFieldValues(FieldQuery, tag="list-field-values", frozen=True, kw_only=True):
    """Answers `FieldValues`."""

    field: str
    limit: int = 100


class FindFieldInSegments(FieldQuery, tag="find-field-in-segments", frozen=True, kw_only=True):
    """`field` is the key itself. Answers `FieldInSegments`."""

    field: str


class FindFieldInCampaigns(Query, tag="find-field-in-campaigns", frozen=True, kw_only=True):
    """Asks campaigns which audiences and which contents name the field. Answers `FieldInCampaigns`."""

    service: ClassVar[str] = "campaigns"
    field: str


class FindFieldInWorkflows(Query, tag="find-field-in-workflows", frozen=True, kw_only=True):
    """Asks workflows which conditions name the field. Answers a list of `NamedReference`."""

    service: ClassVar[str] = "workflows"
    field: str


class FieldInSegments(View, frozen=True, kw_only=True):
    segments: list[NamedReference]
    contact_count: int


class FieldInCampaigns(View, frozen=True, kw_only=True):
    campaigns: list[NamedReference]
    templates: list[NamedReference]


class FieldView(View, frozen=True, kw_only=True):
    """`coverage` is the share of contacts that have it, in percent."""

    field: str
    type_: FieldType = msgspec.field(name="type")
    is_custom: bool
    coverage: int


class FieldList(View, frozen=True, kw_only=True):
    fields: list[FieldView]
    count: int


class FieldValues(View, frozen=True, kw_only=True):
    field: str
    values: list[Any]
    count: int
    limit: int


class FieldUsage(View, frozen=True, kw_only=True):
    """What names a field, and how many contacts have it."""

    used_in_segments: list[NamedReference]
    used_in_campaigns: list[NamedReference]
    used_in_workflows: list[NamedReference]
    used_in_templates: list[NamedReference]
    contact_count: int
    can_delete: bool


class FieldDeletion(View, frozen=True, kw_only=True):
    """A deletion that is under way; `deleted_from` contacts had the field when it began. The job is shown and cancelled
    as bulk operations are."""

    deleted_from: int
    job_id: UUID
