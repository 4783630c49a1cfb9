"""An SNS message as it was posted, and the text that its signature covers. Pure.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

import base64
import binascii
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from msgspec import field

from libs.runtime.uuids import uuid_of
from services.gateway.sns.errors import SnsRejected, malformed

MAX_BODY = 256 * 1024
"""The limit of SNS for a message."""

PADDING = PKCS1v15()
DIGESTS = {"1": SHA1(), "2": SHA256()}  # noqa: S303 - the operator decides whether version 1 is accepted


class SnsMessage(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The members that we use, as text, because the signature covers the text."""

    type: Literal["Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"]
    message_id: str
    topic_arn: str
    message: str
    timestamp: str
    signature_version: str
    signature: str
    signing_cert_url: str = field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = field(name="SubscribeURL", default=None)

    @property
    def id(self) -> UUID:
        """The id that SNS gave the message, the same on every retry."""
        return uuid_of(self.message_id)

    @property
    def sent_at(self) -> datetime:
        return datetime.fromisoformat(self.timestamp)

    def signed_text(self) -> bytes:
        """Return what SNS signs: the names and values that are present, each on a line, in this order."""
        if self.type == "Notification":
            subject = "" if self.subject is None else f"Subject\n{self.subject}\n"
            middle = f"{subject}Timestamp\n{self.timestamp}\n"
        else:
            middle = f"SubscribeURL\n{self.subscribe_url}\nTimestamp\n{self.timestamp}\nToken\n{self.token}\n"
        start = f"Message\n{self.message}\nMessageId\n{self.message_id}\n"
        return f"{start}{middle}TopicArn\n{self.topic_arn}\nType\n{self.type}\n".encode()

    def is_signed_by(self, key: RSAPublicKey) -> bool:
        """Verify RSA, PKCS #1 v1.5, with SHA-256 for SignatureVersion 2 and SHA-1 for 1. No other version is valid."""
        try:
            signature = base64.b64decode(self.signature, validate=True)
            key.verify(signature, self.signed_text(), PADDING, DIGESTS[self.signature_version])
        except (binascii.Error, ValueError, KeyError, InvalidSignature):
            return False
        return True


_decode = msgspec.json.Decoder(SnsMessage).decode


def parse(body: bytes) -> SnsMessage:
    """Return the message. Raises SnsRejected: 413 if it is too long, 400 if it is not an SNS message."""
    if len(body) > MAX_BODY:
        raise SnsRejected(413, "PAYLOAD_TOO_LARGE", f"SNS message too large (limit: {MAX_BODY // 1024} KiB).")
    try:
        message = _decode(body)
        complete = message.id and message.sent_at.tzinfo
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise malformed("Not an SNS message.") from error
    if not complete or not _has_its_link(message):
        raise malformed("The SNS message is incomplete.")
    return message


def _has_its_link(message: SnsMessage) -> bool:
    return message.type == "Notification" or (message.token is not None and message.subscribe_url is not None)
