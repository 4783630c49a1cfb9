"""SNS envelopes, signed as SNS signs them, with a certificate of the sandbox's own certificate authority.

The authority is created once per data directory, and its private key is thrown away once it has issued the one signing
certificate: nothing on disk can issue another certificate that `ca.pem` would vouch for.
"""

import base64
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from deploy.sandbox.timestamps import iso

# A name that no server can have, in case anyone ever lets a browser or a system trust the authority.
SIGNER_NAME = "sns.godwit-sandbox.invalid"
VALIDITY = timedelta(days=3650)
NOTIFICATION_KEYS = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
CONFIRMATION_KEYS = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")

Envelope = dict[str, str]


class Signer:
    """Signs envelopes. `certificate` is what a verifier fetches, `certificate_name` the path it fetches it from."""

    def __init__(self, key_file: Path, certificate: bytes) -> None:
        self.key_file = key_file
        self._key = _private_key(key_file)
        self.size = self._key.key_size // 8
        """The length of a signature in bytes."""
        self.certificate = certificate
        self.certificate_name = f"SimpleNotificationService-{sha256(certificate).hexdigest()[:32]}.pem"

    def sign(self, envelope: Envelope) -> Envelope:
        """Return the signed envelope. It takes a third of a millisecond; `signing` is for many envelopes."""
        return self.signed(envelope, self._key.sign(string_to_sign(envelope), padding.PKCS1v15(), hashes.SHA256()))

    def signed(self, envelope: Envelope, signature: bytes) -> Envelope:
        """Return the envelope with this signature added."""
        return envelope | {"SignatureVersion": "2", "Signature": base64.b64encode(signature).decode()}


class Topic(msgspec.Struct, frozen=True):
    """The sandbox's only topic: its ARN, and the URL at which the sandbox imitates SNS."""

    arn: str
    url: str
    certificate_name: str

    def notification(self, message_id: str, subject: str, message: str, at: float, subscription: str) -> Envelope:
        return {
            "Type": "Notification",
            "MessageId": message_id,
            "TopicArn": self.arn,
            "Subject": subject,
            "Message": message,
            "Timestamp": iso(at),
            "SigningCertURL": f"{self.url}/{self.certificate_name}",
            "UnsubscribeURL": f"{self.url}/?Action=Unsubscribe&SubscriptionArn={subscription}",
        }

    def confirmation(self, message_id: str, token: str, at: float) -> Envelope:
        return {
            "Type": "SubscriptionConfirmation",
            "MessageId": message_id,
            "Token": token,
            "TopicArn": self.arn,
            "Message": f"You have chosen to subscribe to the topic {self.arn}.\n"
            "To confirm the subscription, visit the SubscribeURL included in this message.",
            "SubscribeURL": f"{self.url}/?Action=ConfirmSubscription&TopicArn={self.arn}&Token={token}",
            "Timestamp": iso(at),
            "SigningCertURL": f"{self.url}/{self.certificate_name}",
        }


def string_to_sign(envelope: Envelope) -> bytes:
    keys = NOTIFICATION_KEYS if envelope["Type"] == "Notification" else CONFIRMATION_KEYS
    return "".join(f"{key}\n{envelope[key]}\n" for key in keys if key in envelope).encode()


def load_signer(data_dir: Path) -> Signer:
    """Return the signer of this data directory. Create it and its certificate authority if there is none yet."""
    key_file, certificate_file = data_dir / "sns-key.pem", data_dir / "sns.pem"
    if not key_file.exists():
        _issue(data_dir / "ca.pem", certificate_file, key_file)
    return Signer(key_file, certificate_file.read_bytes())


def _private_key(key_file: Path) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)  # the only kind that _issue writes
    return key


def _issue(ca_file: Path, certificate_file: Path, key_file: Path) -> None:
    ca_key, key = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Godwit SES sandbox (development only)")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SIGNER_NAME)])
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), ca_key, is_ca=True)
    certificate = _certificate(name, ca_name, key.public_key(), ca_key, is_ca=False)
    _save(ca_file, ca.public_bytes(serialization.Encoding.PEM))
    _save(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
    _save(key_file, _private_bytes(key))  # last: its presence means that all three files exist


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, issuer_key: rsa.RSAPrivateKey, *, is_ca: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=0 if is_ca else None), critical=True)
        .add_extension(_key_usage(is_ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if not is_ca:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(SIGNER_NAME)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_ca,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_bytes(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _save(path: Path, content: bytes) -> None:
    """Write the file completely or not at all, readable by the owner only."""
    part = path.with_suffix(".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    part.replace(path)
