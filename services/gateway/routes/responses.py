"""Response bodies that several routes share."""

import msgspec

from libs.schemas.base import View
from libs.schemas.contacts.contacts import TrackedEvent


class Tracked(TrackedEvent, frozen=True, kw_only=True):
    """The members appear twice: under `data`, and beside it for older clients."""

    success: bool
    data: TrackedEvent


class Done(View, frozen=True, kw_only=True):
    """The result of a command."""

    success: bool
    data: msgspec.Raw


class Message(View, frozen=True, kw_only=True):
    """A confirmation without further data."""

    success: bool
    message: str
