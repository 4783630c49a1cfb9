"""Every setting, typed and documented in one place. Read once at the start; unknown or bad ones stop it.

Names are environment variables: the fields of `Settings` with the prefix `GODWIT_`, and the standard `DATABASE_URL`,
`NATS_URL` and `AWS_*`.
"""

import os
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Port = Annotated[int, Meta(ge=1, le=65535)]
Seconds = Annotated[float, Meta(ge=0)]
PREFIX = "GODWIT_"
PLAIN = ("DATABASE_URL", "NATS_URL", "AWS_REGION", "AWS_ENDPOINT_URL")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What a service needs to know about where it runs."""

    database_url: Annotated[str, Meta(description="Postgres, as the service's own role (libpq URL)")]
    nats_url: Annotated[str, Meta(description="NATS with JetStream")] = "nats://127.0.0.1:4222"
    aws_region: Annotated[str, Meta(description="Region of Amazon SES")] = "us-east-1"
    aws_endpoint_url: Annotated[str | None, Meta(description="Where SES is, if it is not Amazon's: the sandbox")] = None
    admin_database_url: Annotated[
        str | None, Meta(description="Postgres as its owner: for `godwit migrate`, `rebuild` and `audit`")
    ] = None
    database_pool: Annotated[int, Meta(ge=2, le=100, description="Postgres connections of each process")] = 6
    host: Annotated[str, Meta(description="Address that the gateway listens on")] = "127.0.0.1"
    http_port: Annotated[Port, Meta(description="Port of the gateway")] = 8000
    smtp_port: Annotated[
        Port | None, Meta(description="Port of the SMTP relay for STARTTLS (587 is the usual one); none is no relay")
    ] = None
    smtps_port: Annotated[
        Port | None, Meta(description="Port of the SMTP relay for TLS from the start (465 is the usual one)")
    ] = None
    smtp_certificate: Annotated[
        str | None, Meta(description="Certificate chain of the SMTP relay (PEM); none is one made for development")
    ] = None
    smtp_certificate_key: Annotated[str | None, Meta(description="Private key of that certificate (PEM)")] = None
    health_host: Annotated[str, Meta(description="Address of /livez, /readyz and /metrics")] = "127.0.0.1"
    health_port: Annotated[Port | None, Meta(description="Port of /livez, /readyz and /metrics")] = None
    public_url: Annotated[str, Meta(description="How mailbox users reach the gateway")] = "http://127.0.0.1:8000"
    instance: Annotated[str, Meta(description="Name of this process in logs")] = "1"
    log_format: Annotated[Literal["json", "console"], Meta(description="json for machines, console for people")] = (
        "json"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level logged")] = "info"
    link_key: Annotated[
        str, Meta(min_length=32, description="Secret that signs unsubscribe links, at least 32 characters")
    ] = "godwit-development-link-key-not-for-production"
    retry_delays: Annotated[
        str, Meta(description="Seconds between tries of a message that fails; after the last it is dead-lettered")
    ] = "1,5,30,120,600,3600,10800"
    api_rate_limit: Annotated[int, Meta(ge=0, description="Requests per minute and project; 0 is no limit")] = 1000
    unknown_grace: Annotated[
        Seconds | None, Meta(description="Seconds until an unproven send is tried again; shortens every class")
    ] = None
    send_concurrency: Annotated[int, Meta(ge=1, le=500, description="Calls to SES in flight in each process")] = 32
    sns_trust: Annotated[
        str | None, Meta(description="Development only: CA file whose SNS signatures are accepted besides Amazon's")
    ] = None
    sns_topic_arns: Annotated[str, Meta(description="SNS topics whose notifications are accepted, by commas")] = ""
    sns_signature_v1: Annotated[
        bool, Meta(description="Accept SNS's SignatureVersion 1 (SHA-1) too, for topics that cannot be set to 2")
    ] = False
    sqs_queue_url: Annotated[
        str | None,
        Meta(
            description="SQS queue to take notifications from, beside /webhooks/sns or instead of it: it keeps them "
            "through an outage of ours"
        ),
    ] = None
    sqs_pollers: Annotated[
        int, Meta(ge=1, le=64, description="Receives from the SQS queue at once, of ten messages each, per process")
    ] = 4
    reputation_guard: Annotated[
        Literal["pause", "warn", "off"],
        Meta(
            description="When too much of a project's mail bounces or is complained about: pause its campaigns and "
            "workflows, or only say so"
        ),
    ] = "pause"
    audience_page: Annotated[
        int, Meta(ge=1, le=1000, description="Contacts of a campaign's audience that are resolved at a time")
    ] = 1000
    configuration_set: Annotated[str, Meta(description="SES configuration set of every send")] = "godwit"
    instance_epoch: Annotated[
        str,
        Meta(max_length=100, description="Change it when you restore a backup or clone: sending then starts paused"),
    ] = ""
    restore_guard: Annotated[bool, Meta(description="Pause sending if the database lacks events that the bus has")] = (
        True
    )
    mail_from_subdomain: Annotated[
        str,
        Meta(
            pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Label before a sending domain: its MAIL FROM"
        ),
    ] = "bounces"
    configuration_set_untracked: Annotated[
        str, Meta(description="SES configuration set of mails that are sent with tracking off; empty: there is none")
    ] = ""
    dns_servers: Annotated[
        str,
        Meta(description="Name servers that /v1/verify asks, host or host:port, by commas; the machine's own if empty"),
    ] = ""
    disposable_domains: Annotated[
        str | None, Meta(description="File of disposable domains, one a line, to use instead of the shipped list")
    ] = None
    bootstrap_secret_key: Annotated[str | None, Meta(description="Secret key of the first project")] = None
    bootstrap_public_key: Annotated[str | None, Meta(description="Public key of the first project")] = None
    bootstrap_domain: Annotated[str, Meta(description="Verified sending domain of the first project")] = "example.com"
    crash_at: Annotated[str, Meta(description="Tests only: die at this named point")] = ""

    @property
    def topic_arns(self) -> frozenset[str]:
        """`sns_topic_arns`, one by one."""
        return frozenset(arn.strip() for arn in self.sns_topic_arns.split(",") if arn.strip())

    @property
    def delays(self) -> list[float]:
        """`retry_delays` as numbers."""
        return [float(delay) for delay in self.retry_delays.split(",") if delay]


class BadSettings(Exception):
    """The environment cannot be used; the message is one line that says which name and why."""


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings. Raises BadSettings for an unknown name, a missing one or a bad value."""
    environ = os.environ if environ is None else environ
    named = {name.lower(): value for name in PLAIN if (value := environ.get(name))}
    named |= {name.removeprefix(PREFIX).lower(): value for name, value in environ.items() if name.startswith(PREFIX)}
    unknown = named.keys() - set(Settings.__struct_fields__)
    if unknown:
        names = ", ".join(sorted(PREFIX + name.upper() for name in unknown))
        raise BadSettings(f"unknown setting {names}: see `godwit --help` or docs/settings.md for the names")
    try:
        settings = msgspec.convert(named, Settings, strict=False)
        settings.delays  # noqa: B018 - parses the list, so that a bad one is refused here
    except (msgspec.ValidationError, ValueError) as bad:
        raise BadSettings(f"bad setting: {bad}") from bad
    return settings
