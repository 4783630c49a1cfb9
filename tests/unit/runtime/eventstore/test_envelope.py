"""Envelopes in NATS headers, and chains of causes."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import (
    Envelope,
    Meta,
    Origin,
    command_headers,
    command_subject,
    envelope_of,
    event_headers,
    event_subject,
    new_event,
    require_subject,
)
from libs.runtime.messaging.consumer import DECODE_ERRORS
from libs.schemas.contacts.contacts import ContactSubscribed, SubscribeContact

PROJECT, CONTACT = uuid4(), uuid4()
NOW = datetime(2026, 11, 21, 1, 2, 3, 456789, tzinfo=UTC)
COMMAND = Envelope(
    id=uuid4(), project=PROJECT, message=SubscribeContact(contact_id=CONTACT), at=NOW, meta=Meta(actor="key:abc")
)
EVENT = ContactSubscribed(contact_id=CONTACT, email="ann@example.com")


def test_a_command_is_restored_from_its_headers() -> None:
    back = envelope_of(COMMAND.message, command_headers(COMMAND))
    assert (back.id, back.project, back.meta, back.version) == (COMMAND.id, PROJECT, COMMAND.meta, 0)


def test_an_event_is_restored_from_its_headers_with_its_stream_and_version() -> None:
    event = new_event(EVENT, 3, COMMAND, uuid4(), NOW)
    headers = event_headers(
        event_id=event.id,
        project=event.project,
        service="contacts",
        tag="contact.subscribed",
        stream=event.stream,
        version=event.version,
        at=event.at,
        meta=event.meta,
    )
    assert envelope_of(EVENT, headers) == event


def test_an_event_has_a_stream_a_subject_and_a_cause() -> None:
    event = new_event(EVENT, 1, COMMAND, uuid4(), NOW)
    assert event.stream == f"contact-{CONTACT}"
    assert event_subject(PROJECT, EVENT) == f"evt.contacts.{PROJECT}.contact.subscribed"
    assert (event.meta.causation_id, event.meta.correlation_id, event.meta.actor) == (COMMAND.id, COMMAND.id, "key:abc")


def test_depth_counts_reactions_and_not_commands() -> None:
    first = new_event(EVENT, 1, COMMAND, uuid4(), NOW)
    second = new_event(EVENT, 1, first, uuid4(), NOW)
    assert (first.meta.depth, second.meta.depth) == (0, 1)
    assert second.meta.correlation_id == COMMAND.id


def test_an_event_with_an_origin_as_cause_keeps_its_meta() -> None:
    kept = Meta(actor="key:abc", depth=4)
    assert new_event(EVENT, 1, Origin(project=PROJECT, meta=kept), uuid4(), NOW).meta == kept


def test_messages_are_camel_case_on_the_wire() -> None:
    assert (
        encode(EVENT) == f'{{"type":"contact.subscribed","contactId":"{CONTACT}","email":"ann@example.com"}}'.encode()
    )


@pytest.mark.parametrize("bad", [{"Nats-Msg-Id": "no id"}, {"godwit-project": ""}, {"godwit-version": "one"}])
def test_a_malformed_header_raises_a_decode_error(bad: dict[str, str]) -> None:
    headers = command_headers(COMMAND) | bad
    with pytest.raises(DECODE_ERRORS):
        envelope_of(COMMAND.message, headers)


def test_id_and_project_are_required() -> None:
    for needed in ("Nats-Msg-Id", "godwit-project"):
        headers = command_headers(COMMAND)
        del headers[needed]
        with pytest.raises(DECODE_ERRORS):
            envelope_of(COMMAND.message, headers)


@pytest.mark.parametrize(
    "subject",
    [
        "cmd.contacts.{other}.subscribe-contact",
        "cmd.delivery.{project}.subscribe-contact",
        "cmd.contacts.{project}.delete-contact",
        "cmd.contacts.{project}.subscribe-contact.more",
        "evt.contacts.{project}.contact.subscribed",
    ],
)
def test_a_message_on_the_subject_of_another_raises_a_decode_error(subject: str) -> None:
    with pytest.raises(DECODE_ERRORS, match="belongs on"):
        require_subject(COMMAND, subject.format(project=PROJECT, other=uuid4()))


def test_a_message_is_accepted_on_its_own_subject_and_on_those_without_a_project() -> None:
    require_subject(COMMAND, command_subject(PROJECT, COMMAND.message))
    require_subject(new_event(EVENT, 1, COMMAND, uuid4(), NOW), event_subject(PROJECT, EVENT))
    require_subject(COMMAND, "ingest.notification")
