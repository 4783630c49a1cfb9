"""Projects and their keys: the facts that the gateway owns."""

from typing import ClassVar, Literal
from uuid import UUID

from libs.schemas.base import Event

KeyKind = Literal["secret", "public"]


class ProjectCreated(Event, tag="project.created", frozen=True, kw_only=True):
    service: ClassVar[str] = "gateway"
    stream: ClassVar[str] = "project-{project_id}"
    project_id: UUID
    name: str


class KeyIssued(Event, tag="key.issued", frozen=True, kw_only=True):
    """`fingerprint` is the SHA-256 of the key in hex; the key itself is shown once and never stored."""

    service: ClassVar[str] = "gateway"
    stream: ClassVar[str] = "key-{key_id}"
    key_id: UUID
    kind: KeyKind
    fingerprint: str
    hint: str
