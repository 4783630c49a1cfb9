"""The registry of all messages, collected from the modules that declare them."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from types import ModuleType
from typing import TypeVar

import libs.schemas
from libs.schemas.base import Command, Event, Message, Query

M = TypeVar("M", bound=Message)


def commands() -> list[type[Command]]:
    return _tagged(Command)


def events() -> list[type[Event]]:
    return _tagged(Event)


def queries() -> list[type[Query]]:
    return _tagged(Query)


@cache
def _modules() -> tuple[ModuleType, ...]:
    """Import all modules of the schemas, sorted by name."""
    found = pkgutil.walk_packages(libs.schemas.__path__, f"{libs.schemas.__name__}.")
    return tuple(importlib.import_module(module.name) for module in found)


def _tagged(kind: type[M]) -> list[type[M]]:
    """Return the messages of a kind that have a tag, in the order of their declaration."""
    return [message for module in _modules() for message in _declared(vars(module), kind)]


def _declared(namespace: dict[str, object], kind: type[M]) -> Iterator[type[M]]:
    module = namespace["__name__"]
    for value in namespace.values():
        if isinstance(value, type) and issubclass(value, kind) and value.__module__ == module and _has_tag(value):
            yield value


def _has_tag(message: type[Message]) -> bool:
    """Return whether a class has its own tag. For a base such as `ContactEvent` msgspec uses the class name."""
    return message.__struct_config__.tag != message.__name__
