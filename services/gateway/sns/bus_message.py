"""Proved notifications as the message that the feedback service consumes."""

from collections.abc import Sequence
from uuid import UUID

from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope, Meta, command_headers
from libs.runtime.messaging.publisher import Outgoing
from libs.schemas.feedback.notifications import RecordNotification, RecordNotifications

SUBJECT = "ingest.sns"
NO_PROJECT = UUID(int=0)
"""At the edge nobody knows yet whose mail it is about: the tags inside say so."""


def ingest_message(notifications: Sequence[RecordNotification]) -> Outgoing:
    """One message for all of them. A single one has SNS's id, so that when SNS posts it again it is the same message;
    what comes again with others is recognised where it is kept."""
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
