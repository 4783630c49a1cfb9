"""Notifications of SES as the gateway passes them to the feedback service, on `ingest.sns`."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from libs.schemas.base import Command


class RecordNotification(Command, tag="record-notification", frozen=True, kw_only=True):
    """Record a notification whose SNS signature the gateway has checked.

    `message` is the JSON text that SES wrote, unchanged; `notification_id` is SNS's MessageId, the same on every retry.
    """

    service: ClassVar[str] = "feedback"
    notification_id: UUID
    topic_arn: str
    sent_at: datetime
    message: str


class RecordNotifications(Command, tag="record-notifications", frozen=True, kw_only=True):
    """Record notifications that arrived together. Each is handled by itself."""

    service: ClassVar[str] = "feedback"
    notifications: list[RecordNotification]
