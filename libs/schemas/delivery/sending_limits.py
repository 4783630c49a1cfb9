"""Messages of the delivery service about how fast a project may send, below the limit of the SES account."""

from typing import Annotated, ClassVar
from uuid import UUID

import msgspec

from libs.schemas.base import Command, Event, Query, View

PerSecond = Annotated[float, msgspec.Meta(ge=0.01, le=10_000)]
"""Mails per second; 0.1 is one in ten seconds."""


class SetSendingLimits(Command, tag="set-sending-limits", frozen=True, kw_only=True):
    """Limit all mail of the project, and its mail to each of these recipient domains. Replies with `SendingLimits`.

    These limits replace all earlier ones.
    """

    service: ClassVar[str] = "delivery"
    project_id: UUID
    per_second: PerSecond | None = None
    domains: dict[str, PerSecond] = {}


class SendingLimitsSet(Event, tag="sending_limits.set", frozen=True, kw_only=True):
    """All limits from now on, with `domains` by name in lower case."""

    service: ClassVar[str] = "delivery"
    stream: ClassVar[str] = "sending-limits-{project_id}"
    project_id: UUID
    per_second: float | None = None
    domains: dict[str, float] = {}


class GetSendingLimits(Query, tag="get-sending-limits", frozen=True, kw_only=True):
    """Replies with `SendingLimits`."""

    service: ClassVar[str] = "delivery"


class SendingLimits(View, frozen=True, kw_only=True):
    """Limits in mails per second. Without one, mail is only limited by what SES allows the account."""

    per_second: float | None = None
    domains: dict[str, float] = {}
