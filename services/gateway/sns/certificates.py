"""The keys that SNS signs with: fetched once, checked, and kept for a day.

Amazon's certificate is trusted because it was fetched from Amazon's host over TLS. The sandbox's is trusted only if the
certificate authority in the settings issued it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import msgspec
from cachetools import TTLCache
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from services.gateway.sns.errors import not_trusted, retry_later
from services.gateway.sns.fetch import FetchFailed
from services.gateway.sns.source import Source

MAX_CERTIFICATE = 16 * 1024
MAX_KEPT = 32
KEPT_SECONDS = 24 * 3600
MIN_KEY_BITS = 2048
WAIT_SECONDS = 6.0
"""How long a message waits for its certificate while others fetch theirs."""

Fetch = Callable[[str, int], Awaitable[bytes]]
"""(address, maximum bytes) -> body; raises FetchFailed."""


class SigningCertificate(msgspec.Struct, frozen=True):
    key: RSAPublicKey
    valid_from: datetime
    valid_until: datetime


class SigningCertificates:
    """Keeps at most MAX_KEPT certificates by address. `authority` is the file of the sandbox's CA, if it is trusted."""

    def __init__(self, fetch: Fetch, authority: Path | None, clock: Callable[[], datetime]) -> None:
        self._fetch = fetch
        self._authority = authority
        self._clock = clock
        self._kept: TTLCache[str, SigningCertificate] = TTLCache(
            MAX_KEPT, KEPT_SECONDS, timer=lambda: clock().timestamp()
        )
        self._fetching = asyncio.Lock()

    async def key(self, url: str, source: Source) -> RSAPublicKey:
        """Return the key at an address whose source was checked before.

        Raises SnsRejected: 403 if the certificate is not trusted, 503 if it cannot be fetched.
        """
        certificate = self._kept.get(url) or await self._obtain(url, source)
        if not certificate.valid_from <= self._clock() <= certificate.valid_until:
            raise not_trusted("The signing certificate is expired or not yet valid.")
        return certificate.key

    async def _obtain(self, url: str, source: Source) -> SigningCertificate:
        """Fetch one certificate at a time: many messages share one fetch, and strangers cannot cause a flood."""
        try:
            async with asyncio.timeout(WAIT_SECONDS), self._fetching:
                certificate = self._kept.get(url)
                if certificate is None:
                    certificate = self._kept[url] = await self._fetched(url, source)
                return certificate
        except (FetchFailed, TimeoutError) as failure:
            raise retry_later("The signing certificate cannot be fetched now.") from failure

    async def _fetched(self, url: str, source: Source) -> SigningCertificate:
        certificate = _read(await self._fetch(url, MAX_CERTIFICATE))
        if source is Source.SANDBOX and not self._is_issued(certificate):
            raise not_trusted("The signing certificate was not issued by the trusted authority.")
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey) or key.key_size < MIN_KEY_BITS:
            raise not_trusted(f"The signing key is not RSA with at least {MIN_KEY_BITS} bits.")
        return SigningCertificate(key, certificate.not_valid_before_utc, certificate.not_valid_after_utc)

    def _is_issued(self, certificate: x509.Certificate) -> bool:
        """Whether the authority signed the certificate. Its file is read each time, because the sandbox may have just
        created it."""
        try:
            authorities = x509.load_pem_x509_certificates(self._authority.read_bytes()) if self._authority else []
        except OSError as error:
            raise retry_later("The file of the trusted authority cannot be read.") from error
        except ValueError as error:
            raise not_trusted("The file of the trusted authority contains no certificate.") from error
        now = self._clock()
        return any(_is_authority(each, now) and _issued_by(each, certificate) for each in authorities)


def _read(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as error:
        raise not_trusted("SigningCertURL does not lead to a certificate.") from error


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
