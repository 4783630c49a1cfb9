"""A command as it travels."""

from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope, command_headers, command_subject


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is published for a command."""

    id: UUID
    project: UUID
    subject: str
    body: bytes
    headers: dict[str, str]

    @staticmethod
    def of(envelope: Envelope[Any]) -> "Order":
        return Order(
            id=envelope.id,
            project=envelope.project,
            subject=command_subject(envelope.project, envelope.message),
            body=encode(envelope.message),
            headers=command_headers(envelope),
        )
