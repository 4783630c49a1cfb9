"""Verifies SNS messages, and confirms subscriptions.

Cheap checks that need no network come first, so that a stranger who does not know one of our topics cannot make us
fetch anything. A message is believed once its signature is verified.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from libs.runtime.clock import now
from libs.runtime.process.settings import Settings
from libs.schemas.feedback.notifications import RecordNotification
from services.gateway.sns.certificates import Fetch, SigningCertificates
from services.gateway.sns.errors import SnsRejected, not_trusted
from services.gateway.sns.fetch import FetchFailed, get
from services.gateway.sns.message import SnsMessage, parse
from services.gateway.sns.source import Source, confirms, source_of_certificate

log = structlog.get_logger()

OLDEST = timedelta(minutes=70)
"""SNS retries for up to 60 minutes."""
NEWEST = timedelta(minutes=5)
MAX_CONFIRMATION = 16 * 1024


class SubscriptionChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The subscription was confirmed, or has ended."""

    topic_arn: str
    subscribed: bool


class SnsReceiver:
    """Receives the messages of `topic_arns`, signed by SignatureVersion 2 or, with `signature_v1`, also by 1.

    Without topics every message is rejected. Only Amazon's signatures are trusted, and with `trust_ca`, a file with a
    certificate authority, those of a sandbox on this machine. `fetch` and `clock` are for tests.
    """

    def __init__(
        self,
        *,
        topic_arns: frozenset[str],
        signature_v1: bool = False,
        trust_ca: Path | None = None,
        fetch: Fetch = get,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._topic_arns = topic_arns
        self._versions = ("1", "2") if signature_v1 else ("2",)
        self._trusts_sandbox = trust_ca is not None
        self._certificates = SigningCertificates(fetch, trust_ca, clock)
        self._fetch = fetch
        self._clock = clock

    async def receive(self, body: bytes) -> RecordNotification | SubscriptionChanged:
        """Return the content of a verified message. A subscription is confirmed before this returns.

        Raises SnsRejected: 400 or 413 if it is not an SNS message, 403 if it is not trusted, 503 or 502 if SNS should
        try again because the certificate or the confirmation could not be fetched.
        """
        message = parse(body)
        source = await self._verify(message)
        match message.type:
            case "Notification":
                return RecordNotification(
                    notification_id=message.id,
                    topic_arn=message.topic_arn,
                    sent_at=message.sent_at,
                    message=message.message,
                )
            case "SubscriptionConfirmation":
                return await self._confirm(message, source)
            case "UnsubscribeConfirmation":
                # Its SubscribeURL would subscribe us again, which is for people to decide.
                log.warning("sns.unsubscribed", topic=message.topic_arn)
                return SubscriptionChanged(topic_arn=message.topic_arn, subscribed=False)

    async def _verify(self, message: SnsMessage) -> Source:
        """Return the source that signed the message."""
        moment = self._clock()
        if message.topic_arn not in self._topic_arns:
            raise not_trusted("The topic is not in GODWIT_SNS_TOPIC_ARNS.")
        if message.signature_version not in self._versions:
            raise not_trusted("SignatureVersion must be 2: set the topic's attribute SignatureVersion to 2.")
        if not moment - OLDEST <= message.sent_at <= moment + NEWEST:
            raise not_trusted("The timestamp is too far in the past or in the future.")
        source = source_of_certificate(message.signing_cert_url, sandbox=self._trusts_sandbox)
        if source is None:
            raise not_trusted("SigningCertURL is not an address of SNS.")
        key = await self._certificates.key(message.signing_cert_url, source)
        if not message.is_signed_by(key):
            raise not_trusted("The signature does not match the message.")
        return source

    async def _confirm(self, message: SnsMessage, source: Source) -> SubscriptionChanged:
        url, token = message.subscribe_url or "", message.token or ""
        if not confirms(url, source, message.topic_arn, token):
            raise not_trusted("SubscribeURL does not confirm this subscription at SNS.")
        try:
            await self._fetch(url, MAX_CONFIRMATION)
        except FetchFailed as failure:
            raise SnsRejected(502, "EXTERNAL_SERVICE_ERROR", "SNS did not accept the confirmation.") from failure
        log.info("sns.subscribed", topic=message.topic_arn)
        return SubscriptionChanged(topic_arn=message.topic_arn, subscribed=True)


def receiver_from(config: Settings) -> SnsReceiver:
    """Return the receiver for the settings `GODWIT_SNS_*`."""
    trust_ca = Path(config.sns_trust) if config.sns_trust else None
    return SnsReceiver(topic_arns=config.topic_arns, signature_v1=config.sns_signature_v1, trust_ca=trust_ca)
