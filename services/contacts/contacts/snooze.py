"""Pausing mails: a contact that unsubscribed until some day is woken on that day."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Instant, Message
from libs.schemas.contacts.contacts import UnsubscribeContact


class EndSnooze(Message, tag="end-snooze", frozen=True, kw_only=True):
    """Ends the pause that lasts until then. A pause that was changed or ended meanwhile is another one."""

    contact_id: UUID
    until: Instant


async def wake_at_the_end(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Also where the command changed nothing: the timer asks again whether its pause is still the one that holds."""
    for envelope in envelopes:
        command = envelope.message
        if isinstance(command, UnsubscribeContact) and command.until:
            timer = EndSnooze(contact_id=command.contact_id, until=command.until)
            await unit.schedule(f"{command.contact_id}", datetime.fromisoformat(command.until), timer, envelope)
