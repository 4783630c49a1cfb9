"""A stand-in for SNS: a certificate authority, the certificates it issues, messages signed with them, and a network.

Written from the documentation of SNS and not from our verifier, so that a mistake there is not repeated here.
"""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from services.gateway.sns.fetch import FetchFailed

NOW = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:godwit-events"
AMAZON = "https://sns.eu-west-1.amazonaws.com"
CERTIFICATE_URL = f"{AMAZON}/SimpleNotificationService-9c6465fa7f48f5cacd23014631ec1136.pem"
NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SUBSCRIPTION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")

Message = dict[str, Any]
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class Signer:
    """A key and its certificate, by default self-signed as if it came over TLS from Amazon."""

    def __init__(
        self,
        key: Key,
        *,
        issuer: "Signer | None" = None,
        name: str = "sns.amazonaws.com",
        valid: timedelta = timedelta(days=30),
        is_ca: bool = False,
    ) -> None:
        self.key = key
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        by = issuer or self
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self.name)
            .issuer_name(by.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - timedelta(days=60))
            .not_valid_after(NOW + valid)
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .sign(by.key, SHA256())
        )

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def signed(self, message: Message, digest: HashAlgorithm | None = None) -> bytes:
        """Return the body that SNS would post."""
        assert isinstance(self.key, rsa.RSAPrivateKey)
        keys = NOTIFICATION if message["Type"] == "Notification" else SUBSCRIPTION
        lines = [line for key in keys if key in message for line in (key, message[key])]
        text = "".join(f"{line}\n" for line in lines).encode()
        signature = self.key.sign(text, padding.PKCS1v15(), digest or SHA256())
        return json.dumps(message | {"Signature": base64.b64encode(signature).decode()}).encode()

    def signed_as_version_1(self, message: Message) -> bytes:
        return self.signed(message | {"SignatureVersion": "1"}, SHA1())


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def notification(**changes: Any) -> Message:
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": '{"eventType":"Delivery","note":"naïve\\nfriend 🐦"}',
        "Timestamp": "2026-11-20T09:29:58.120Z",
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE_URL,
        "UnsubscribeURL": f"{AMAZON}/?Action=Unsubscribe",
    } | changes


def confirmation(origin: str = AMAZON, **changes: Any) -> Message:
    message = notification(Type="SubscriptionConfirmation", Token="2336412f37", Message="You have chosen to subscribe")
    del message["Subject"], message["UnsubscribeURL"]
    url = f"{origin}/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37"
    return message | {"SubscribeURL": url} | changes


class Network:
    """The bodies that can be fetched, by address. `fetched` lists the addresses that were asked for."""

    def __init__(self, bodies: dict[str, bytes | Callable[[], bytes]]) -> None:
        self.bodies = bodies
        self.fetched: list[str] = []

    async def fetch(self, url: str, limit: int) -> bytes:
        self.fetched.append(url)
        if url not in self.bodies:
            raise FetchFailed("answered 404")
        body = self.bodies[url]
        return body() if callable(body) else body
