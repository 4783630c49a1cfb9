"""The TLS certificate of the relay: the operator's, reloaded when it is renewed, or one generated at the start."""

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from libs.runtime.process.settings import Settings

log = structlog.get_logger()

VALID = timedelta(days=365)


class ServerCertificate:
    """`context` is for servers. Call `refresh` before a connection to use a renewed certificate."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loaded_at = self._changed_at()
        self.context.load_cert_chain(certificate, key)

    def refresh(self) -> None:
        """Reload the files if they have changed. If they are gone, the certificate stays as it is."""
        try:
            changed_at = self._changed_at()
            if len(changed_at) == len(self._files) and changed_at != self._loaded_at:
                self.context.load_cert_chain(*self._files)
                self._loaded_at = changed_at
        except (OSError, ssl.SSLError) as error:  # maybe half written; the old one is still good
            log.warning("smtp.certificate_not_reloaded", error=repr(error))

    def _changed_at(self) -> tuple[float, ...]:
        return tuple(file.stat().st_mtime for file in self._files if file.exists())


def certificate_of(config: Settings) -> ServerCertificate:
    """Return the certificate in the settings, or else a self-signed one that only a developer will trust."""
    if config.smtp_certificate and config.smtp_certificate_key:
        return ServerCertificate(Path(config.smtp_certificate), Path(config.smtp_certificate_key))
    log.warning("smtp.certificate_generated", remedy="set GODWIT_SMTP_CERTIFICATE and GODWIT_SMTP_CERTIFICATE_KEY")
    with TemporaryDirectory(prefix="godwit-") as directory:
        return ServerCertificate(*_generate(Path(directory), host_of(config)))


def host_of(config: Settings) -> str:
    """Return the host name of the installation."""
    return urlsplit(config.public_url).hostname or "localhost"


def _generate(directory: Path, host: str) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = directory / "certificate.pem", directory / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


def _names(host: str) -> list[x509.GeneralName]:
    try:
        return [x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName("localhost")]
    except ValueError:
        return [x509.DNSName(host), x509.DNSName("localhost")]
