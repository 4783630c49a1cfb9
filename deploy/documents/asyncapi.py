"""The AsyncAPI document of the bus, generated from what the services declare to publish and handle."""

import inspect
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from deploy.provisioning.streams import DAY, STREAMS, Stream
from libs.runtime.eventstore.codec import tag_of
from libs.runtime.process.service import Service
from libs.schemas import registry
from libs.schemas.base import Command, Event, Message, Query
from libs.schemas.feedback.notifications import RecordNotification, RecordNotifications

VERSION = "0.1.0"
SCHEMA = "#/components/schemas/{name}"

DESCRIPTION = """\
Godwit's bus is NATS JetStream. Subscribe to `evt.>` (or to one project's part of it) to follow what happens. Events are
facts, carry CloudEvents attributes in their headers, and can be published again from the log (`godwit replay`), so a
subscriber must recognise by `ce-id` what it has already seen. Commands and queries are how the gateway talks to the
services; they are documented for completeness and are not a public interface.
"""

EVENT_HEADERS = {
    "type": "object",
    "required": ["Nats-Msg-Id", "ce-id", "ce-type", "ce-source", "ce-subject", "ce-time", "godwit-project"],
    "properties": {
        "Nats-Msg-Id": {"type": "string", "format": "uuid", "description": "The event's id"},
        "ce-specversion": {"const": "1.0"},
        "ce-id": {"type": "string", "format": "uuid", "description": "The same event always has the same id"},
        "ce-type": {"type": "string", "description": "The event's tag and the version of its schema"},
        "ce-source": {"type": "string", "description": "godwit/<service>"},
        "ce-subject": {"type": "string", "description": "The stream in the owning service's log, such as contact-<id>"},
        "ce-time": {"type": "string", "format": "date-time", "description": "When it was recorded"},
        "godwit-project": {"type": "string", "format": "uuid"},
        "godwit-version": {
            "type": "string",
            "description": "Position of the event in its stream, from 1, without gaps",
        },
        "godwit-correlation": {"type": "string", "description": "Id of the request that started the chain"},
        "godwit-causation": {"type": "string", "description": "Id of the message that led directly to this one"},
        "godwit-depth": {"type": "string", "description": "Number of reactions between the request and this event"},
        "traceparent": {"type": "string", "description": "W3C Trace Context"},
    },
}


def document(services: Sequence[Service]) -> dict[str, Any]:
    """Return the document (AsyncAPI 3.0.0, https://www.asyncapi.com/docs/reference/specification/v3.0.0)."""
    messages: list[type[Message]] = [*registry.events(), *registry.commands(), *registry.queries()]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Godwit bus",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"nats": {"host": "localhost:4222", "protocol": "nats"}},
        "channels": {tag_of(kind): _channel(kind) for kind in messages},
        "operations": dict(_operations(services)),
        "components": {
            "messages": {tag_of(kind): _message(kind) for kind in messages},
            "schemas": _schemas(messages),
        },
        "x-streams": [_stream(stream) for stream in STREAMS],
    }


def address(kind: type[Message]) -> str:
    """Return the subject pattern of a message."""
    tag = tag_of(kind)
    if kind in (RecordNotification, RecordNotifications):
        return "ingest.sns"
    if issubclass(kind, Event):
        return f"evt.{kind.service}.{{project}}.{tag}"
    if issubclass(kind, Query):
        return f"qry.{kind.service}.{tag}"
    assert issubclass(kind, Command)
    return f"cmd.{kind.service}.{{project}}.{tag}"


def _channel(kind: type[Message]) -> dict[str, Any]:
    channel: dict[str, Any] = {
        "address": address(kind),
        "messages": {tag_of(kind): {"$ref": f"#/components/messages/{tag_of(kind)}"}},
    }
    if "{project}" in channel["address"]:
        channel["parameters"] = {"project": {"description": "Id of the project"}}
    return channel


def _message(kind: type[Message]) -> dict[str, Any]:
    message: dict[str, Any] = {
        "name": tag_of(kind),
        "summary": inspect.getdoc(kind) or tag_of(kind),
        "contentType": "application/json",
        "payload": {"$ref": SCHEMA.format(name=kind.__name__)},
    }
    if issubclass(kind, Event):
        message["headers"] = EVENT_HEADERS
    return message


def _schemas(messages: Sequence[type[Message]]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components(messages, ref_template=SCHEMA)
    return dict(sorted(components.items()))


def _operations(services: Sequence[Service]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield who sends and who receives what: every service sends its own events and receives what it declares."""
    for service in services:
        for event in (kind for kind in registry.events() if kind.service == service.name):
            yield _operation(service, "send", event)
        received: list[type[Message]] = [*service.commands, *service.ingest, *service.foreign_events, *service.queries]
        for kind in received:
            yield _operation(service, "receive", kind)


def _operation(service: Service, action: str, kind: type[Message]) -> tuple[str, dict[str, Any]]:
    return f"{service.name}.{action}.{tag_of(kind)}", {
        "action": action,
        "channel": {"$ref": f"#/channels/{tag_of(kind)}"},
        "tags": [{"name": service.name}],
    }


def _stream(stream: Stream) -> dict[str, Any]:
    return {
        "name": stream.name,
        "subjects": list(stream.subjects),
        "purpose": stream.purpose,
        "retention": stream.retention.value,
        "maxAgeDays": stream.max_age / DAY or None,
    }
