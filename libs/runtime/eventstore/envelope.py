"""The envelope of a message: its project, its origin and its cause.

On the bus it travels as NATS headers. Events carry the CloudEvents attributes (https://cloudevents.io, NATS binding)
and `traceparent` (W3C Trace Context), so that other consumers can read them without our code.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import msgspec
from msgspec import field

from libs.runtime.clock import now
from libs.runtime.eventstore.codec import stream_of, tag_of
from libs.runtime.uuids import uuid_of
from libs.schemas.base import Command, Event, Message

M = TypeVar("M", bound=Message)

MAX_CACHED_METAS = 1024
"""Metas that are encoded once for all events with the same cause: a page of a job appends hundreds."""

MAX_DEPTH = 32
"""A deeper chain of reactions is a loop: it is cut and reported."""


class Meta(msgspec.Struct, frozen=True, kw_only=True):
    """The origin of a message. `depth` counts the reactions between it and the request that started the chain."""

    actor: str = "system"
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None
    depth: int = 0


class Envelope(msgspec.Struct, Generic[M], frozen=True, kw_only=True):
    """A message with its identity. `stream` and `version` locate an event in its owner's log; otherwise empty and 0.

    The same `id` means the same message, however often it arrives.
    """

    id: UUID
    project: UUID
    message: M
    at: datetime
    stream: str = ""
    version: int = 0
    meta: Meta = Meta()

    def causes(self) -> Meta:
        """Return the meta of the messages that this one causes."""
        deeper = 1 if self.version else 0
        return Meta(
            actor=self.meta.actor,
            correlation_id=self.meta.correlation_id or self.id,
            causation_id=self.id,
            traceparent=self.meta.traceparent,
            depth=self.meta.depth + deeper,
        )


class Cause(Protocol):
    """The cause of new events: a message, or an `Origin` if there is no message."""

    @property
    def project(self) -> UUID: ...

    def causes(self) -> Meta: ...


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """A cause that is not a message, such as the outcome of a call to SES. Its meta is that of what started it."""

    project: UUID
    meta: Meta = Meta()

    def causes(self) -> Meta:
        return self.meta


def command_subject(project: UUID, command: Command) -> str:
    return f"cmd.{command.service}.{project}.{tag_of(type(command))}"


def event_subject(project: UUID, event: Event) -> str:
    return f"evt.{event.service}.{project}.{tag_of(type(event))}"


def command_headers(envelope: Envelope[Any]) -> dict[str, str]:
    """Return a command's envelope as NATS headers.

    `Nats-Msg-Id` lets JetStream drop duplicates within its window.
    """
    return {
        "Nats-Msg-Id": str(envelope.id),
        "godwit-project": str(envelope.project),
        **_meta_headers(envelope.meta),
    }


def event_headers(
    *, event_id: UUID, project: UUID, service: str, tag: str, stream: str, version: int, at: datetime, meta: Meta
) -> dict[str, str]:
    """Return an event's envelope as NATS headers, which are the same when the event is replayed years later."""
    return {
        "Nats-Msg-Id": str(event_id),
        "ce-specversion": "1.0",
        "ce-id": str(event_id),
        "ce-source": f"godwit/{service}",
        "ce-type": f"{tag}.v1",
        "ce-subject": stream,
        "ce-time": at.isoformat(),
        "content-type": "application/json",
        "godwit-project": str(project),
        "godwit-version": str(version),
        **_meta_headers(meta),
    }


class _Headers(msgspec.Struct, frozen=True):
    """The headers of an envelope. Converting them at once costs a fifth of reading them one by one."""

    id: str = field(name="Nats-Msg-Id")
    project: str = field(name="godwit-project")
    at: datetime | None = field(name="ce-time", default=None)
    stream: str = field(name="ce-subject", default="")
    version: int = field(name="godwit-version", default=0)
    actor: str = field(name="godwit-actor", default="system")
    correlation_id: UUID | None = field(name="godwit-correlation", default=None)
    causation_id: UUID | None = field(name="godwit-causation", default=None)
    traceparent: str | None = field(name="traceparent", default=None)
    depth: int = field(name="godwit-depth", default=0)


def envelope_of(message: M, headers: Mapping[str, str]) -> Envelope[M]:
    """Parse the envelope of a message.

    Raise msgspec.ValidationError or ValueError if a required header is missing or a header is malformed.
    """
    parsed = msgspec.convert(headers, _Headers, strict=False)
    return Envelope(
        id=uuid_of(parsed.id),
        project=uuid_of(parsed.project),
        message=message,
        at=parsed.at or now(),
        stream=parsed.stream,
        version=parsed.version,
        meta=Meta(
            actor=parsed.actor,
            correlation_id=parsed.correlation_id,
            causation_id=parsed.causation_id,
            traceparent=parsed.traceparent,
            depth=parsed.depth,
        ),
    )


class WrongSubject(ValueError):
    """Raised for a message on a subject that is not its own: the subject decides who may send it."""


def require_subject(envelope: Envelope[Any], subject: str) -> None:
    """Raise WrongSubject if a command or event came on the subject of another service, project or type."""
    kind = subject[:4]
    if kind not in ("cmd.", "evt."):
        return
    message: Command | Event = envelope.message
    expected = f"{kind}{message.service}.{envelope.project}.{tag_of(type(message))}"
    if subject != expected:
        raise WrongSubject(f"the message belongs on {expected}, but came on {subject}")


def new_event(
    event: Event, version: int, cause: Cause, event_id: UUID, at: datetime, stream: str | None = None
) -> Envelope[Event]:
    """Return the envelope of an event that `cause` led to, at `version` of its stream.

    Pass `stream` if it was already formatted.
    """
    return Envelope(
        id=event_id,
        project=cause.project,
        message=event,
        at=at,
        stream=stream or stream_of(event),
        version=version,
        meta=cause.causes(),
    )


@lru_cache(MAX_CACHED_METAS)
def meta_of(text: str) -> Meta:
    """Decode the stored meta of an event. Cached, because the events of one cause share it."""
    return msgspec.json.decode(text, type=Meta)


@lru_cache(MAX_CACHED_METAS)
def _meta_headers(meta: Meta) -> Mapping[str, str]:
    headers = {"godwit-actor": meta.actor, "godwit-depth": str(meta.depth)}
    if meta.correlation_id:
        headers["godwit-correlation"] = str(meta.correlation_id)
    if meta.causation_id:
        headers["godwit-causation"] = str(meta.causation_id)
    if meta.traceparent:
        headers["traceparent"] = meta.traceparent
    return headers
