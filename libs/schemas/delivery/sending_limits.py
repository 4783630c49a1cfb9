"""How fast a project may send, within what its SES account allows all of them: delivery's messages."""

from typing import Annotated, ClassVar
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Event, Query, View

PerSecond = Annotated[float, msgspec.Meta(ge=0.01, le=10_000)]
"""Mails in a second; 0.1 is one in ten seconds."""


class SetSendingLimits(Command, tag="set-sending-limits", frozen=True, kw_only=True):
    """Limit all mail of the project, and its mail to each of these recipient domains. What is not named is not limited.
    Answers `SendingLimits`."""

    service: ClassVar[str] = "delivery"
    project_id: UUID
    per_second: PerSecond | None = None
    domains: dict[str, PerSecond] = {}


class SendingLimitsSet(Event, tag="sending_limits.set", frozen=True, kw_only=True):
    """The limits from here on: all of them, `domains` by name in lower case."""

    service: ClassVar[str] = "delivery"
    stream: ClassVar[str] = "sending-limits-{project_id}"
    project_id: UUID
    per_second: float | None = None
    domains: dict[str, float] = {}


class GetSendingLimits(Query, tag="get-sending-limits", frozen=True, kw_only=True):
    """Answers `SendingLimits`."""

    service: ClassVar[str] = "delivery"


class SendingLimits(View, frozen=True, kw_only=True):
    """In mails per second; null, and domains that are not named, are not limited beyond what SES allows the account."""

    per_second: float | None = None
    domains: dict[str, float] = {}
