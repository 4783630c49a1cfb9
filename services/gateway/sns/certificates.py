"""The keys that SNS signs with: fetched once, judged, and kept for a day.

Amazon's certificate is believed because it was fetched from Amazon's host over TLS. The sandbox's is believed only if
the certificate authority in the settings issued it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from services.gateway.sns.errors import not_trusted, retry_later
from services.gateway.sns.fetch import FetchFailed
from services.gateway.sns.source import Source

MAX_CERTIFICATE = 16 * 1024
MAX_KEPT = 32
KEPT_FOR = timedelta(hours=24)
MIN_KEY_BITS = 2048
PATIENCE = 6.0
"""Seconds that a message waits for its certificate, while others fetch theirs too."""

Fetch = Callable[[str, int], Awaitable[bytes]]
"""(address, most bytes) -> body; raises FetchFailed."""


class SigningCertificate(msgspec.Struct, frozen=True):
    key: RSAPublicKey
    valid_from: datetime
    valid_until: datetime
    fetched_at: datetime

    def is_valid(self, now: datetime) -> bool:
        return self.valid_from <= now <= self.valid_until

    def is_fresh(self, now: datetime) -> bool:
        return timedelta(0) <= now - self.fetched_at < KEPT_FOR


class SigningCertificates:
    """At most MAX_KEPT certificates by their address. `authority` is the file of the sandbox's CA, if it is trusted."""

    def __init__(self, fetch: Fetch, authority: Path | None) -> None:
        self._fetch = fetch
        self._authority = authority
        self._kept: dict[str, SigningCertificate] = {}
        self._fetching = asyncio.Lock()

    async def key(self, url: str, source: Source, now: datetime) -> RSAPublicKey:
        """The key at an address whose source was checked before. Raises SnsRefused: 403 if it is not to be trusted,
        503 if it could not be had."""
        certificate = self._fresh(url, now) or await self._obtain(url, source, now)
        if not certificate.is_valid(now):
            raise not_trusted("The certificate of this message is not valid now.")
        return certificate.key

    def _fresh(self, url: str, now: datetime) -> SigningCertificate | None:
        known = self._kept.get(url)
        return known if known and known.is_fresh(now) else None

    async def _obtain(self, url: str, source: Source, now: datetime) -> SigningCertificate:
        """One fetch at a time: many messages under a new certificate fetch it once, strangers cannot cause a flood."""
        try:
            async with asyncio.timeout(PATIENCE), self._fetching:
                return self._fresh(url, now) or self._keep(url, await self._judged(url, source, now))
        except (FetchFailed, TimeoutError) as failure:
            raise retry_later("The certificate of this message cannot be fetched now.") from failure

    async def _judged(self, url: str, source: Source, now: datetime) -> SigningCertificate:
        certificate = _read(await self._fetch(url, MAX_CERTIFICATE))
        if source is Source.SANDBOX and not self._issued(certificate, now):
            raise not_trusted("The certificate of this message is not issued by the trusted authority.")
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
            raise not_trusted(f"The key of this message is not RSA with {MIN_KEY_BITS} bits or more.")
        return SigningCertificate(key, certificate.not_valid_before_utc, certificate.not_valid_after_utc, now)

    def _keep(self, url: str, certificate: SigningCertificate) -> SigningCertificate:
        self._kept.pop(url, None)
        self._kept[url] = certificate
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        return certificate

    def _issued(self, certificate: x509.Certificate, now: datetime) -> bool:
        """Whether the authority signed it. The file is read anew, since the sandbox may have made it only now."""
        try:
            authorities = x509.load_pem_x509_certificates(self._authority.read_bytes()) if self._authority else []
        except OSError as missing:
            raise retry_later("The file of the trusted authority cannot be read.") from missing
        except ValueError as bad:
            raise not_trusted("The file of the trusted authority holds no certificate.") from bad
        return any(_is_authority(each, now) and _issued_by(each, certificate) for each in authorities)


def _read(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as bad:
        raise not_trusted("What this message names as its certificate is none.") from bad


def _is_authority(certificate: x509.Certificate, now: datetime) -> bool:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return basic.ca and certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _issued_by(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
