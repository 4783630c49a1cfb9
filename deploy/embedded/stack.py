"""The parts of the embedded stack, with the environment of each."""

import functools
import importlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.embedded import access, keys, nats, postgres
from deploy.embedded.layout import Layout
from deploy.embedded.part import Part
from deploy.embedded.passwords import ROLES, Passwords
from deploy.embedded.ports import LOOPBACK, answers
from deploy.embedded.settings import Settings
from deploy.provisioning.permissions import OPERATOR
from deploy.services import SERVICES

REGION = "us-east-1"
TOPIC = f"arn:aws:sns:{REGION}:000000000000:godwit-sandbox"

NOT_INHERITED = ("GODWIT_", "AWS_", "PG", "DATABASE_URL", "NATS_URL")
"""Variables of the shell that refer to other installations and must not affect this one."""


LIBRARIES = ("msgspec", "structlog", "asyncpg", "nats", "uvloop", "uvicorn", "faststream.nats", "litestar", "boto3")
"""The slow imports of the services, listed so that the supervisor can handle events between them."""


@dataclass(frozen=True)
class Programs:
    """The programs that run, each as `module:function`; `libraries` are loaded before them."""

    prepare: str = "deploy.provisioning.prepare:prepare"
    sandbox: str = "deploy.sandbox.__main__:main"
    service: str = "services.{service}.__main__:main"
    libraries: tuple[str, ...] = LIBRARIES

    def of(self, service: str) -> str:
        return self.service.format(service=service)

    @property
    def modules(self) -> list[str]:
        """The modules to load before forking."""
        programs = (*map(self.of, SERVICES), self.sandbox, self.prepare)
        return [*self.libraries, *(program.partition(":")[0] for program in programs)]


@dataclass(frozen=True)
class Ports:
    """The ports that no setting defines."""

    nats: int
    nats_monitor: int
    health: dict[str, int]


def servers(settings: Settings, layout: Layout, ports: Ports, programs: Programs) -> list[Part]:
    """Return the servers that the services need. They run without the services' code, so they start while it loads."""
    environment = inherited()
    parent = os.getpid()
    return [
        Part(
            name="postgres-1",
            run=lambda: postgres.run(layout, parent),
            ready=lambda pid: postgres.ready(layout, pid),
            environment=environment,
            stop=signal.SIGINT,  # Postgres' fast shutdown: roll back, write everything, exit
            force_stop=signal.SIGQUIT,
            grace=20.0,
        ),
        Part(
            name="nats-1",
            run=lambda: nats.run(layout, ports.nats, ports.nats_monitor, parent),
            ready=lambda _: nats.ready(ports.nats_monitor),
            environment=environment,
        ),
        Part(
            name="sandbox-1",
            run=lambda: call(programs.sandbox, sandbox_arguments(settings, layout)),
            ready=lambda _: answers(settings.sandbox_port, "/sandbox/stats"),
            environment=environment,
        ),
    ]


def setup(layout: Layout, ports: Ports, programs: Programs, known: Passwords) -> Part:
    """Return the part that brings schemas, roles and streams up to date, once."""
    admin_url = postgres.url(layout, known.database[access.SUPERUSER])
    nats_url = nats.url(ports.nats, OPERATOR, known.bus[OPERATOR])
    return Part(
        name="setup-1",
        run=lambda: call(programs.prepare, admin_url, nats_url, known.services),
        ready=lambda _: False,
        environment=inherited() | {"GODWIT_ADMIN_DATABASE_URL": admin_url},
        once=True,
    )


def services(
    settings: Settings,
    layout: Layout,
    ports: Ports,
    programs: Programs,
    secrets: Mapping[str, str],
    known: Passwords,
) -> list[Part]:
    """Return the part of every service process."""
    return [
        Part(
            name=f"{service}-{n}",
            run=functools.partial(call, programs.of(service)),
            ready=functools.partial(service_ready, settings, service, ports.health[f"{service}-{n}"]),
            environment=service_environment(settings, layout, ports, secrets, known, service, n),
        )
        for service, n in settings.instances
    ]


UNTRACKED = "godwit-no-tracking"
"""The sandbox tracks no opens or clicks for a configuration set of this name."""


def service_ready(settings: Settings, service: str, health_port: int, _pid: int) -> bool:
    if service == "gateway" and not answers(settings.http_port, "/livez", settings.host):
        return False
    return answers(health_port, "/readyz")


def service_environment(
    settings: Settings,
    layout: Layout,
    ports: Ports,
    secrets: Mapping[str, str],
    known: Passwords,
    service: str,
    n: int,
) -> dict[str, str]:
    """Return the environment of a service process: our wiring over the user's settings over our defaults."""
    # the sandbox's bounces and complaints are made up, and its domains have no DNS: they should not stop anybody
    defaults = {
        "GODWIT_PUBLIC_URL": settings.url,
        "GODWIT_LOG_FORMAT": "console",
        "GODWIT_REPUTATION_GUARD": "warn",
        "GODWIT_CONFIGURATION_SET_UNTRACKED": UNTRACKED,
        "GODWIT_DOMAIN_PROOF": "ses",
    }
    wiring = {
        "DATABASE_URL": postgres.url(layout, known.database[ROLES[service]], ROLES[service]),
        "NATS_URL": nats.url(ports.nats, service, known.bus[service]),
        "AWS_ENDPOINT_URL": settings.sandbox_url,
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "GODWIT_HTTP_PORT": str(settings.http_port),
        "GODWIT_HEALTH_HOST": LOOPBACK,
        "GODWIT_HEALTH_PORT": str(ports.health[f"{service}-{n}"]),
        "GODWIT_INSTANCE": f"{service}-{n}",
        "GODWIT_SNS_TRUST": str(layout.sandbox / "ca.pem"),
        "GODWIT_SNS_TOPIC_ARNS": TOPIC,
    }
    secrets_of_service = {
        name: secret for name, secret in secrets.items() if service == "gateway" or name not in keys.BOOTSTRAP
    }
    given = {name: value for name, value in settings.handed_on.items() if name not in keys.BOOTSTRAP}
    return inherited() | defaults | given | secrets_of_service | wiring


def inherited() -> dict[str, str]:
    """Return the supervisor's environment without the settings of other installations and without a loopback proxy."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_INHERITED)}
    around = ",".join(filter(None, (kept.get("NO_PROXY") or kept.get("no_proxy"), LOOPBACK, "localhost")))
    return kept | {"NO_PROXY": around, "no_proxy": around}


def sandbox_arguments(settings: Settings, layout: Layout) -> list[str]:
    webhook = f"{settings.url}/webhooks/sns"
    queue = ["--queue"] if "GODWIT_SQS_QUEUE_URL" in settings.handed_on else []
    return [
        f"--port={settings.sandbox_port}",
        f"--data-dir={layout.sandbox}",
        f"--region={REGION}",
        f"--subscriber={webhook}",
        *queue,
    ]


def call(program: str, *arguments: object) -> object:
    return load(program)(*arguments)


def load(program: str) -> Callable[..., object]:
    module, _, function = program.partition(":")
    loaded: Callable[..., object] = getattr(importlib.import_module(module), function)
    return loaded
