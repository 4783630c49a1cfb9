"""The SQS queue that the topic is subscribed to, and what its messages say.

Whoever may send to the queue is for its access policy to say, so no signature is checked; the topic must be on the list
all the same. A message is SNS's envelope, or with raw message delivery the notification itself.
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

MAX_AT_ONCE = 10
"""SQS's own limit, for receiving and for deleting."""
WAIT_SECONDS = 20
HIDDEN_SECONDS = 120
"""How long a received message is kept from other pollers: well over what storing it takes."""
CONNECT_SECONDS = 5
ANSWER_SECONDS = 10
SENT = "SentTimestamp"

Message = Mapping[str, Any]
"""As boto3 gives it: MessageId, ReceiptHandle, Body, Attributes."""


class Sqs(Protocol):
    """The calls of boto3's client that are made here."""

    def receive_message(self, **parameters: Any) -> Mapping[str, Any]: ...

    def delete_message_batch(self, **parameters: Any) -> Mapping[str, Any]: ...


class SnsEnvelope(msgspec.Struct, frozen=True, rename="pascal"):
    message_id: UUID
    topic_arn: str
    message: str
    timestamp: datetime


class Foreign(Exception):
    """The message is of a topic that is not on the list."""


class Queue:
    """Blocking calls, for threads."""

    def __init__(self, client: Sqs, url: str) -> None:
        self._client = client
        self._url = url

    def receive(self) -> Sequence[Message]:
        """Up to ten messages; waits for the first for up to WAIT_SECONDS."""
        answer = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=MAX_AT_ONCE,
            WaitTimeSeconds=WAIT_SECONDS,
            VisibilityTimeout=HIDDEN_SECONDS,
            AttributeNames=[SENT],
        )
        messages: Sequence[Message] = answer.get("Messages", ())
        return messages

    def delete(self, messages: Sequence[Message]) -> int:
        """Answers how many of them SQS did not delete: they come again, which does no harm."""
        entries = [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"]} for n, each in enumerate(messages)]
        answer = self._client.delete_message_batch(QueueUrl=self._url, Entries=entries)
        return len(answer.get("Failed", ()))


def connect(config: Settings, url: str) -> Queue:
    """A client for as many threads as there are pollers. Reads files and may ask the network for credentials."""
    client: Sqs = boto3.client(
        "sqs",
        region_name=region_of(url) or config.aws_region,
        endpoint_url=config.aws_endpoint_url,
        config=Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=WAIT_SECONDS + ANSWER_SECONDS,
            max_pool_connections=2 * config.sqs_pollers,
            retries={"total_max_attempts": 1, "mode": "standard"},
        ),
    )
    return Queue(client, url)


def region_of(url: str) -> str | None:
    """The region in a queue's address at Amazon."""
    found = re.match(r"https://sqs\.([a-z0-9-]+)\.amazonaws\.com", url)
    return found[1] if found else None


def notification_of(message: Message, topics: frozenset[str]) -> RecordNotification:
    """What a message of the queue says. Raises Foreign for an envelope of another topic."""
    body: str = message["Body"]
    try:
        envelope = _decode(body)
    except (msgspec.DecodeError, RecursionError):
        return _raw(message, body)
    if envelope.topic_arn not in topics:
        raise Foreign(envelope.topic_arn)
    return RecordNotification(
        notification_id=envelope.message_id,
        topic_arn=envelope.topic_arn,
        sent_at=envelope.timestamp,
        message=envelope.message,
    )


_decode = msgspec.json.Decoder(SnsEnvelope).decode


def _raw(message: Message, body: str) -> RecordNotification:
    """Raw message delivery: SQS's own id and time are all that is known of it."""
    sent = message.get("Attributes", {}).get(SENT)
    return RecordNotification(
        notification_id=UUID(message["MessageId"]),
        topic_arn="",
        sent_at=datetime.fromtimestamp(int(sent) / 1000, UTC) if sent else now(),
        message=body,
    )
