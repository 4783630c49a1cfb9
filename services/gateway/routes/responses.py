"""Shapes of answers that the routes make from what services answer."""

from uuid import UUID

import msgspec

from libs.schemas.base import Instant, View
from libs.schemas.contacts.contacts import TrackedEvent


class Tracked(TrackedEvent, frozen=True, kw_only=True):
    """The same members twice: under `data`, and, for older clients, beside it."""

    success: bool
    data: TrackedEvent


class Addressee(View, frozen=True, kw_only=True):
    id: UUID
    email: str


class SentTo(View, frozen=True, kw_only=True):
    """One mail that was queued: whom it goes to, and its id."""

    contact: Addressee
    email: UUID


class Sent(View, frozen=True, kw_only=True):
    """In the order of the recipients."""

    emails: list[SentTo]
    timestamp: Instant


class SentBoth(Sent, frozen=True, kw_only=True):
    """The same members twice: under `data`, and, for older clients, beside it."""

    success: bool
    data: Sent


class Done(View, frozen=True, kw_only=True):
    """What a command answered."""

    success: bool
    data: msgspec.Raw


class Message(View, frozen=True, kw_only=True):
    """That it is done, where there is nothing to show for it."""

    success: bool
    message: str
