"""The SQS queue that is subscribed to the topic, and how its messages are read.

The access policy of the queue says who may send to it, so signatures are not checked; the topic must still be on the
list. A message is SNS's envelope or, with raw message delivery, the notification itself.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import boto3
import msgspec
from botocore.config import Config

from libs.runtime.clock import now
from libs.runtime.process.settings import Settings
from libs.schemas.feedback.notifications import RecordNotification

MAX_MESSAGES = 10
"""The limit of SQS for one receive or delete."""
WAIT_SECONDS = 20
HIDDEN_SECONDS = 120
"""How long a received message is hidden from other pollers: far longer than it takes to store it."""
CONNECT_SECONDS = 5
RESPONSE_SECONDS = 10
SENT = "SentTimestamp"

SqsMessage = Mapping[str, Any]
"""As boto3 returns it: MessageId, ReceiptHandle, Body, Attributes."""


class Sqs(Protocol):
    """The calls of boto3's client that are used here."""

    def receive_message(self, **parameters: Any) -> Mapping[str, Any]: ...

    def delete_message_batch(self, **parameters: Any) -> Mapping[str, Any]: ...


class SnsEnvelope(msgspec.Struct, frozen=True, rename="pascal"):
    message_id: UUID
    topic_arn: str
    message: str
    timestamp: datetime


class ForeignTopic(Exception):
    """The message is of a topic that is not on the list."""


class SqsQueue:
    """Blocking calls to the queue, to be made in threads."""

    def __init__(self, client: Sqs, url: str) -> None:
        self._client = client
        self._url = url

    def receive(self) -> Sequence[SqsMessage]:
        """Return up to ten messages. Wait up to WAIT_SECONDS for the first."""
        response = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=MAX_MESSAGES,
            WaitTimeSeconds=WAIT_SECONDS,
            VisibilityTimeout=HIDDEN_SECONDS,
            AttributeNames=[SENT],
        )
        messages: Sequence[SqsMessage] = response.get("Messages", ())
        return messages

    def delete(self, messages: Sequence[SqsMessage]) -> int:
        """Delete the messages and return how many SQS did not delete. They come again, which does no harm."""
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)]
        response = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return len(response.get("Failed", ()))


def connect(config: Settings, url: str) -> SqsQueue:
    """Return the queue, with a client for as many threads as there are pollers.

    Blocks: it reads files and may request credentials over the network.
    """
    client: Sqs = boto3.client(
        "sqs",
        region_name=region_of(url) or config.aws_region,
        endpoint_url=config.aws_endpoint_url,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=WAIT_SECONDS + RESPONSE_SECONDS,
            max_pool_connections=2 * config.sqs_pollers,
            retries={"total_max_attempts": 1, "mode": "standard"},
        ),
    )
    return SqsQueue(client, url)


def region_of(url: str) -> str | None:
    """Return the region in the URL of a queue at Amazon, or None for other URLs."""
    found = re.match(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com", url)
    return found[1] if found else None


def notification_of(message: SqsMessage, topics: frozenset[str]) -> RecordNotification:
    """Return the notification in a message. Raise ForeignTopic for an envelope of a topic that is not on the list."""
    body: str = message["Body"]
    try:
        envelope = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        return _raw(message, body)
    if envelope.topic_arn not in topics:
        raise ForeignTopic(envelope.topic_arn)
    return RecordNotification(
        notification_id=envelope.message_id,
        topic_arn=envelope.topic_arn,
        sent_at=envelope.timestamp,
        message=envelope.message,
    )


_decode = msgspec.json.Decoder(SnsEnvelope).decode


def _raw(message: SqsMessage, body: str) -> RecordNotification:
    """Return a notification of raw message delivery, which has only the id and time of the SQS message."""
    sent = message.get("Attributes", {}).get(SENT)
    return RecordNotification(
        notification_id=UUID(message["MessageId"]),
        topic_arn="",
        sent_at=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else now(),
        message=body,
    )
