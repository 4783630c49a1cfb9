"""Messages of the gateway: projects and their keys."""

from typing import ClassVar, Literal
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Event, Instant, Query, View

KeyKind = Literal["secret", "public"]


class UpdateProject(Command, tag="update-project", frozen=True, kw_only=True):
    """Change the settings that are given. Null clears `language` or `timezone`. Replies with `ProjectView`."""

    service: ClassVar[str] = "gateway"
    project_id: UUID
    name: str | None = None
    language: str | msgspec.UnsetType | None = msgspec.UNSET
    timezone: str | msgspec.UnsetType | None = msgspec.UNSET
    tracking: bool | None = None


class IssueKey(Command, tag="issue-key", frozen=True, kw_only=True):
    """Give the project a key. `fingerprint` and `hint` are as in `KeyIssued`: the key itself is not on the bus.
    Replies with `KeyView`."""

    service: ClassVar[str] = "gateway"
    key_id: UUID
    kind: KeyKind
    fingerprint: str
    hint: str


class RevokeKey(Command, tag="revoke-key", frozen=True, kw_only=True):
    """Revoke a key of the project, for good. Replies with `KeyView`."""

    service: ClassVar[str] = "gateway"
    key_id: UUID


class GetProject(Query, tag="get-project", frozen=True, kw_only=True):
    """Get the project that the query is sent for. Replies with `ProjectView`."""

    service: ClassVar[str] = "gateway"


class ProjectCreated(Event, tag="project.created", frozen=True, kw_only=True):
    service: ClassVar[str] = "gateway"
    stream: ClassVar[str] = "project-{project_id}"
    project_id: UUID
    name: str
    language: str | None = None
    timezone: str | None = None
    tracking: bool = True


class ProjectUpdated(Event, tag="project.updated", frozen=True, kw_only=True):
    """The values after the change.

    `language` is a tag such as `de` or `zh-TW`, for contacts without a `locale` of their own; `timezone` is the IANA
    name of a zone, for contacts without a `timezone` of their own. Without `tracking` the opens and clicks of campaigns
    and workflows are not recorded.
    """

    service: ClassVar[str] = "gateway"
    stream: ClassVar[str] = "project-{project_id}"
    project_id: UUID
    name: str
    language: str | None = None
    timezone: str | None = None
    tracking: bool = True


class KeyIssued(Event, tag="key.issued", frozen=True, kw_only=True):
    """`fingerprint` is the SHA-256 of the key in hex; the key itself is shown once and never stored."""

    service: ClassVar[str] = "gateway"
    stream: ClassVar[str] = "key-{key_id}"
    key_id: UUID
    kind: KeyKind
    fingerprint: str
    hint: str


class KeyRevoked(Event, tag="key.revoked", frozen=True, kw_only=True):
    """The last event of its stream: a revoked key is never valid again."""

    service: ClassVar[str] = "gateway"
    stream: ClassVar[str] = "key-{key_id}"
    key_id: UUID


class KeyView(View, frozen=True, kw_only=True):
    id: UUID
    kind: KeyKind
    hint: str
    revoked: bool


class ProjectView(View, frozen=True, kw_only=True):
    id: UUID
    name: str
    language: str | None
    timezone: str | None
    tracking: bool
    created_at: Instant
    updated_at: Instant
