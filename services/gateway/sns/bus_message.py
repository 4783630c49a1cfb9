"""Puts verified notifications into the message that the feedback service consumes."""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope, Meta, command_headers
from libs.runtime.messaging.publisher import Outgoing
from libs.schemas.feedback.notifications import RecordNotification, RecordNotifications

SUBJECT = "ingest.sns"
NO_PROJECT = UUID(int=0)
"""The gateway does not know whose mail a notification is about; the tags inside it say so."""


def ingest_message(notifications: Sequence[RecordNotification]) -> Outgoing:
    """Return one message with all notifications.

    A message with a single notification has its SNS id, so JetStream recognises it when SNS posts it again. A repeat
    that arrives together with others is recognised by the feedback service.
    """
    alone = len(notifications) == 1
    message = notifications[0] if alone else RecordNotifications(notifications=list(notifications))
    envelope = Envelope(
        id=notifications[0].notification_id if alone else uuid7(),
        project=NO_PROJECT,
        message=message,
        at=now(),
        meta=Meta(actor="sns"),
    )
    return Outgoing(SUBJECT, command_headers(envelope), encode(message))
