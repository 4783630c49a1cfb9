"""Fields of contacts. The custom ones are the keys of their data."""

from typing import Any, ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Event, Query, View
from libs.schemas.contacts.jobs import JobEvent
from libs.schemas.contacts.segments import NamedReference

FieldType = Literal["string", "number", "boolean", "date"]


class DeleteField(Command, tag="delete-field", frozen=True, kw_only=True):
    """Remove the key from the data of every contact, in a job. `field` is the key itself. Reply: `FieldDeletion`."""

    service: ClassVar[str] = "contacts"
    job_id: UUID
    field: str


class FieldEvent(Event, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"
    stream: ClassVar[str] = "field-deletion-{job_id}"
    job_id: UUID
    field: str


class FieldDeletionStarted(FieldEvent, tag="field.deletion_started", frozen=True, kw_only=True):
    """The deletion of a field starts; `contacts` contacts had it then."""

    contacts: int


class FieldDeleted(FieldEvent, tag="field.deleted", frozen=True, kw_only=True):
    """All contacts have been visited; `contacts` of them lost the field, each with a `contact.updated` of its own."""

    contacts: int


class FieldDeletionJobStarted(JobEvent, tag="field-deletion.started", frozen=True, kw_only=True):
    """The job that removes the field from contacts starts; `rows` contacts had it then."""

    field: str
    rows: int


class FieldQuery(Query, frozen=True, kw_only=True):
    service: ClassVar[str] = "contacts"


class ListFields(FieldQuery, tag="list-fields", frozen=True, kw_only=True):
    """Reply: `FieldList`."""


class ListFieldValues(FieldQuery, tag="list-field-values", frozen=True, kw_only=True):
    """Reply: `FieldValues`."""

    field: str
    limit: int = 100


class FindFieldInSegments(FieldQuery, tag="find-field-in-segments", frozen=True, kw_only=True):
    """Find the segments whose conditions name the field. `field` is the key itself. Reply: `FieldInSegments`."""

    field: str


class FindFieldInCampaigns(Query, tag="find-field-in-campaigns", frozen=True, kw_only=True):
    """Find the audiences and contents of campaigns that name the field. Reply: `FieldInCampaigns`."""

    service: ClassVar[str] = "campaigns"
    field: str


class FindFieldInWorkflows(Query, tag="find-field-in-workflows", frozen=True, kw_only=True):
    """Find the workflows whose conditions name the field. Reply: a list of `NamedReference`."""

    service: ClassVar[str] = "workflows"
    field: str


class FieldInSegments(View, frozen=True, kw_only=True):
    segments: list[NamedReference]
    contact_count: int


class FieldInCampaigns(View, frozen=True, kw_only=True):
    campaigns: list[NamedReference]
    templates: list[NamedReference]


class FieldView(View, frozen=True, kw_only=True):
    """`coverage` is the share of contacts that have the field, in percent."""

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
    """Where a field is used, and how many contacts have it."""

    used_in_segments: list[NamedReference]
    used_in_campaigns: list[NamedReference]
    used_in_workflows: list[NamedReference]
    used_in_templates: list[NamedReference]
    contact_count: int
    can_delete: bool


class FieldDeletion(View, frozen=True, kw_only=True):
    """A deletion that has started; `deleted_from` contacts had the field then. Its job is shown and cancelled like a
    bulk operation."""

    deleted_from: int
    job_id: UUID
