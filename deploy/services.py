"""The six services by name, each imported only when needed."""

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.runtime.process.service import Build, Service

SERVICES = ("gateway", "contacts", "campaigns", "workflows", "delivery", "feedback")


def build_of(name: str) -> "Build":
    """Return the function that builds the service from its settings."""
    build: Build = import_module(f"services.{name}.app").build
    return build


def declared_services(names: Iterable[str] = SERVICES) -> "list[Service]":
    """Return the declarations of the services, without a process around them."""
    from libs.runtime.process.settings import Settings

    return [build_of(name)(Settings(database_url="")) for name in names]
