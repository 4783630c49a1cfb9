"""Notifications of SES, as they are handed to the feedback service."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from libs.schemas.base import Command


class RecordNotification(Command, tag="record-notification", frozen=True, kw_only=True):
    """A notification whose SNS signature was checked at the edge, as it came. Published on `ingest.sns`.

    `message` is the JSON text that SES wrote; `notification_id` is SNS's MessageId, the same on every retry.
    """

    service: ClassVar[str] = "feedback"
    notification_id: UUID
    topic_arn: str
    sent_at: datetime
    message: str


class RecordNotifications(Command, tag="record-notifications", frozen=True, kw_only=True):
    """Notifications that arrived together; each is kept and folded by itself."""

    service: ClassVar[str] = "feedback"
    notifications: list[RecordNotification]
