"""The settings, typed and documented in one place. They are read once at the start, which fails if one is invalid.

Names are environment variables: the fields of `Settings` with the prefix `GODWIT_`, and the standard `DATABASE_URL`,
`NATS_URL` and `AWS_*`.
"""

import os
from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from libs.kernel.links import KeyRing

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(ge=0)]
PREFIX = "GODWIT_"
PLAIN = ("DATABASE_URL", "NATS_URL", "AWS_REGION", "AWS_ENDPOINT_URL")


DEVELOPMENT_LINK_KEY = "godwit-development-link-key-not-for-production"
"""Is public, so whoever uses it can be unsubscribed by anybody."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a service."""

    database_url: Annotated[str, Meta(description="Postgres, as the service's own role (libpq URL)")]
    nats_url: Annotated[str, Meta(description="NATS with JetStream, as the service's own user")] = (
        "nats://127.0.0.1:4222"
    )
    aws_region: Annotated[str, Meta(description="Region of Amazon SES")] = "us-east-1"
    aws_endpoint_url: Annotated[
        str | None, Meta(description="Endpoint of SES, if it is not Amazon's (the sandbox)")
    ] = None
    admin_database_url: Annotated[
        str | None, Meta(description="Postgres as the database's owner: for `godwit migrate`, `rebuild` and `audit`")
    ] = None
    database_pool: Annotated[
        int, Meta(ge=2, le=100, description="Postgres connections of each process, besides those for queries")
    ] = 6
    database_query_pool: Annotated[
        int,
        Meta(
            ge=1, le=100, description="Postgres connections of each process for queries; one project gets all but one"
        ),
    ] = 4
    host: Annotated[str, Meta(description="Address that the gateway listens on")] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="Port of the gateway")] = 8000
    trusted_proxies: Annotated[
        str,
        Meta(
            description="Networks of reverse proxies, such as 10.0.0.0/8, separated by commas: they may open any "
            "number of connections, and their X-Forwarded-For names the peer"
        ),
    ] = ""
    smtp_port: Annotated[
        Port | None, Meta(description="Port of the SMTP relay with STARTTLS (usually 587); not set: disabled")
    ] = None
    smtps_port: Annotated[
        Port | None, Meta(description="Port of the SMTP relay with implicit TLS (usually 465); not set: disabled")
    ] = None
    smtp_certificate: Annotated[
        str | None, Meta(description="Certificate chain of the SMTP relay (PEM); not set: a development certificate")
    ] = None
    smtp_certificate_key: Annotated[str | None, Meta(description="Private key of the certificate (PEM)")] = None
    health_host: Annotated[str, Meta(description="Address of /livez, /readyz and /metrics")] = "127.0.0.1"
    health_port: Annotated[Port | None, Meta(description="Port of /livez, /readyz and /metrics")] = None
    public_url: Annotated[str, Meta(description="URL at which recipients reach the gateway")] = "http://127.0.0.1:8000"
    instance: Annotated[str, Meta(description="Name of this process in logs")] = "1"
    log_format: Annotated[
        Literal["json", "console"], Meta(description="json for production, console for development")
    ] = "json"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="Lowest level that is logged")
    ] = "info"
    link_key: Annotated[
        str,
        Meta(
            min_length=32,
            description="Secret that signs unsubscribe links, at least 32 characters. To replace it, put the new one "
            "before the old one and a comma: the first one signs, the links of all of them work",
        ),
    ] = DEVELOPMENT_LINK_KEY
    retry_delays: Annotated[
        str, Meta(description="Seconds between retries of a failed message; after the last it is dead-lettered")
    ] = "1,5,30,120,600,3600,10800"
    api_rate_limit: Annotated[
        int, Meta(ge=0, description="Requests per minute and project; 0: no rate limits at all")
    ] = 1000
    public_key_rate_limit: Annotated[
        int,
        Meta(ge=0, description="Requests per minute and public key, which do not count for the project; 0: unlimited"),
    ] = 1000
    public_network_rate_limit: Annotated[
        int,
        Meta(
            ge=0,
            description="Requests with public keys per minute, project and network (an IPv4 address or the first 64 "
            "bits of an IPv6 address, unless it is private); 0: unlimited",
        ),
    ] = 300
    public_address_rate_limit: Annotated[
        int,
        Meta(ge=0, description="Requests with public keys per minute, project and address of a contact; 0: unlimited"),
    ] = 60
    public_key_mails: Annotated[
        int,
        Meta(
            ge=0,
            description="Emails a day that workflows send to one contact because of events tracked with public keys; "
            "0: unlimited",
        ),
    ] = 5
    public_key_fields: Annotated[
        str,
        Meta(
            description="Keys of contact data that public keys may add, separated by commas; empty: any that the "
            "contact does not have yet"
        ),
    ] = ""
    unknown_grace: Annotated[
        Seconds | None,
        Meta(
            description="Seconds until a send with unknown outcome is retried; shortens the grace period of every class"
        ),
    ] = None
    send_concurrency: Annotated[int, Meta(ge=1, le=500, description="Concurrent calls to SES per process")] = 32
    sns_trust: Annotated[
        str | None,
        Meta(description="Development only: CA file whose SNS signatures are accepted in addition to Amazon's"),
    ] = None
    sns_topic_arns: Annotated[
        str, Meta(description="SNS topics whose notifications are accepted, separated by commas")
    ] = ""
    sns_signature_v1: Annotated[
        bool, Meta(description="Also accept SNS's SignatureVersion 1 (SHA-1), for topics that cannot use version 2")
    ] = False
    sqs_queue_url: Annotated[
        str | None,
        Meta(
            description="SQS queue of notifications, in addition to /webhooks/sns or instead of it: it keeps them "
            "during an outage of Godwit"
        ),
    ] = None
    sqs_pollers: Annotated[
        int, Meta(ge=1, le=64, description="Concurrent receives from the SQS queue per process, of ten messages each")
    ] = 4
    reputation_guard: Annotated[
        Literal["pause", "warn", "off"],
        Meta(
            description="What to do when a project's bounce or complaint rate is too high: pause its campaigns and "
            "workflows, only warn, or nothing"
        ),
    ] = "pause"
    audience_page: Annotated[
        int, Meta(ge=1, le=1000, description="Contacts per page when the audience of a campaign is resolved")
    ] = 1000
    configuration_set: Annotated[str, Meta(description="SES configuration set of every send")] = "godwit"
    instance_epoch: Annotated[
        str,
        Meta(max_length=100, description="Change it when you restore or clone a backup, so that sending starts paused"),
    ] = ""
    restore_guard: Annotated[
        bool, Meta(description="Pause sending if events on the bus are missing from the database")
    ] = True
    mail_from_subdomain: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$",
            description="Subdomain of a sending domain that is its MAIL FROM domain",
        ),
    ] = "bounces"
    configuration_set_untracked: Annotated[
        str, Meta(description="SES configuration set of mails with tracking off; empty: tracking cannot be turned off")
    ] = ""
    dns_servers: Annotated[
        str,
        Meta(
            description="Name servers for /v1/verify and for the TXT records of sending domains, host or host:port, "
            "separated by commas; empty: the machine's"
        ),
    ] = ""
    domain_proof: Annotated[
        Literal["dns", "ses"],
        Meta(
            description="What proves that a project owns a sending domain: its TXT record (dns), or the verification "
            "of SES alone (ses), if all projects trust each other"
        ),
    ] = "dns"
    disposable_domains: Annotated[
        str | None, Meta(description="File of disposable domains, one per line, that replaces the built-in list")
    ] = None
    bootstrap_secret_key: Annotated[
        str | None, Meta(description="Secret key of the first project; a changed one revokes the one before it")
    ] = None
    bootstrap_public_key: Annotated[
        str | None, Meta(description="Public key of the first project; a changed one revokes the one before it")
    ] = None
    bootstrap_domain: Annotated[str, Meta(description="Verified sending domain of the first project")] = "example.com"
    stall_seconds: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="A process whose event loop stands still for so long ends, to be started again; 0: never",
        ),
    ] = 30.0
    crash_at: Annotated[str, Meta(description="Tests only: kill the process at this named point")] = ""

    @property
    def proxies(self) -> tuple[str, ...]:
        """The networks in `trusted_proxies`."""
        return tuple(network.strip() for network in self.trusted_proxies.split(",") if network.strip())

    @property
    def fields_of_public_keys(self) -> list[str]:
        """The keys in `public_key_fields`."""
        return [field.strip() for field in self.public_key_fields.split(",") if field.strip()]

    @property
    def topic_arns(self) -> frozenset[str]:
        """The ARNs in `sns_topic_arns`."""
        return frozenset(arn.strip() for arn in self.sns_topic_arns.split(",") if arn.strip())

    @property
    def link_keys(self) -> KeyRing:
        """The keys in `link_key`."""
        return KeyRing.parse(self.link_key)

    @property
    def delays(self) -> list[float]:
        """The numbers in `retry_delays`."""
        return [float(delay) for delay in self.retry_delays.split(",") if delay]


class BadSettings(Exception):
    """Raised for an invalid environment. The message is one line with the name and the reason."""


def require_own_link_key(settings: Settings) -> None:
    """Raise BadSettings if links are signed with the development key although others can reach the gateway."""
    hosts = (settings.host, urlsplit(settings.public_url).hostname or "")
    if DEVELOPMENT_LINK_KEY in settings.link_keys.keys and not all(map(_is_loopback, hosts)):
        raise BadSettings(
            "bad setting: GODWIT_LINK_KEY must be a secret of your own when GODWIT_HOST or GODWIT_PUBLIC_URL is not "
            "loopback: with the development key anybody can make unsubscribe links"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from the environment. Raise BadSettings for an unknown or missing name or an invalid value."""
    environ = os.environ if environ is None else environ
    named = {name.lower(): value for name in PLAIN if (value := environ.get(name))}
    named |= {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    unknown = named.keys() - set(Settings.__struct_fields__)
    if unknown:
        names = ", ".join(sorted(PREFIX + name.upper() for name in unknown))
        raise BadSettings(f"unknown setting {names}: see `godwit --help` or docs/settings.md for the names")
    try:
        settings = msgspec.convert(named, Settings, strict=False)
        settings.delays  # noqa: B018 - parse the lists, so that an invalid one is rejected here
        settings.link_keys  # noqa: B018
        [ip_network(proxy) for proxy in settings.proxies]
    except (msgspec.ValidationError, ValueError) as bad:
        raise BadSettings(f"bad setting: {bad}") from bad
    return settings
