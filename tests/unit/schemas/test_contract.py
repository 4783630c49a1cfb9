"""Rules for all messages, which no reviewer has to check."""

from collections import Counter

from deploy.provisioning.streams import consumers_of
from deploy.services import declared_services
from libs.runtime.eventstore.codec import tag_of
from libs.schemas.base import Message
from libs.schemas.registry import commands, events, queries


def test_every_tag_is_used_once() -> None:
    tags = Counter(tag_of(kind) for kind in [*commands(), *events(), *queries()])
    assert [tag for tag, count in tags.items() if count > 1] == []


def test_command_tags_have_no_dot_and_event_tags_have_one() -> None:
    assert [tag_of(kind) for kind in [*commands(), *queries()] if "." in tag_of(kind)] == []
    assert [tag_of(kind) for kind in events() if tag_of(kind).count(".") != 1] == []


def test_every_event_has_a_stream_and_an_owner() -> None:
    assert [kind for kind in events() if "{" not in kind.stream or not kind.service] == []


def test_every_command_and_query_has_exactly_one_handler() -> None:
    handled: Counter[type[Message]] = Counter()
    for service in declared_services():
        handled.update([*service.commands, *service.ingest, *service.queries])
    assert {kind: handled[kind] for kind in [*commands(), *queries()] if handled[kind] != 1} == {}


def test_services_handle_only_their_own_commands() -> None:
    for service in declared_services():
        owners = {kind.service for kind in service.commands} | {kind.service for kind in service.queries}
        assert owners <= {service.name}


def test_a_consumer_receives_exactly_what_its_service_declares() -> None:
    for service in declared_services():
        subjects = {s for _, config in consumers_of(service) for s in config.filter_subjects or []}
        declared = {f"evt.{kind.service}.*.{tag_of(kind)}" for kind in service.foreign_events}
        assert {s for s in subjects if s.startswith("evt.")} == declared
