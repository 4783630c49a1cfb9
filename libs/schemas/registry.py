"""All messages of the contract, found in the modules that declare them."""

from collections.abc import Iterator
from typing import TypeVar

from libs.schemas import (
    audiences,
    campaigns,
    contact_jobs,
    contacts,
    delivery,
    feedback,
    fields,
    gateway,
    reputation,
    segments,
    sending_limits,
    suppressions,
    tracked_events,
    workflows,
)
from libs.schemas.base import Command, Event, Message, Query

M = TypeVar("M", bound=Message)

MODULES = (
    gateway,
    contacts,
    contact_jobs,
    fields,
    segments,
    tracked_events,
    campaigns,
    audiences,
    workflows,
    delivery,
    sending_limits,
    suppressions,
    feedback,
    reputation,
)


def commands() -> list[type[Command]]:
    return _tagged(Command)


def events() -> list[type[Event]]:
    return _tagged(Event)


def queries() -> list[type[Query]]:
    return _tagged(Query)


def _tagged(kind: type[M]) -> list[type[M]]:
    """The messages of a kind that have a tag, in the order of their declaration."""
    return [message for module in MODULES for message in _declared(vars(module), kind)]


def _declared(namespace: dict[str, object], kind: type[M]) -> Iterator[type[M]]:
    module = namespace["__name__"]
    for value in namespace.values():
        if isinstance(value, type) and issubclass(value, kind) and value.__module__ == module and _has_tag(value):
            yield value


def _has_tag(message: type[Message]) -> bool:
    """A base such as `ContactEvent` has none of its own: msgspec then takes the class's name."""
    return message.__struct_config__.tag != message.__name__
