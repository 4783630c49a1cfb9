"""Pausing mails: a contact that unsubscribed until some day is subscribed again on that day."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Instant, Message
from libs.schemas.contacts.contacts import UnsubscribeContact


class EndSnooze(Message, tag="end-snooze", frozen=True, kw_only=True):
    """Ends the pause that lasts `until` then. A pause that was changed or ended in the meantime has another `until`."""

    contact_id: UUID
    until: Instant


async def schedule_ends(unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> None:
    """Schedule the end of each pause, even if the command changed nothing: when it fires, the timer checks that its
    pause still holds."""
    for envelope in envelopes:
        command = envelope.message
        if isinstance(command, UnsubscribeContact) and command.until:
            timer = EndSnooze(contact_id=command.contact_id, until=command.until)
            await unit.schedule(f"{command.contact_id}", datetime.fromisoformat(command.until), timer, envelope)
