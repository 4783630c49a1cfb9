"""A proved notification as the message that the feedback service consumes."""

from uuid import UUID

from libs.runtime.clock import now
from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope, Meta, command_headers
from libs.schemas.feedback import RecordNotification

SUBJECT = "ingest.sns"
NO_PROJECT = UUID(int=0)
"""At the edge nobody knows yet whose mail it is about: the tags inside say so."""


def as_message(notification: RecordNotification) -> tuple[str, bytes, dict[str, str]]:
    """(subject, body, headers). Its id is SNS's, so that a notification that SNS posts again is the same message."""
    envelope = Envelope(
        id=notification.notification_id,
        project=NO_PROJECT,
        message=notification,
        at=now(),
        meta=Meta(actor="sns"),
    )
    return SUBJECT, encode(notification), command_headers(envelope)
