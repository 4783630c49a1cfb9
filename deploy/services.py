"""The six services, by name, each imported only when it is asked for."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libs.runtime.process.service import Build

NAMES = ("gateway", "contacts", "campaigns", "workflows", "delivery", "feedback")


def build_of(name: str) -> "Build":
    """The function that builds the service from its settings."""
    build: Build = import_module(f"services.{name}.app").build
    return build
