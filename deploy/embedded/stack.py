"""What the embedded stack consists of, and what each part is told."""

import functools
import importlib
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from deploy.embedded import keys, nats, postgres
from deploy.embedded.layout import Layout
from deploy.embedded.part import Part
from deploy.embedded.ports import LOOPBACK, answers
from deploy.embedded.settings import Settings
from deploy.services import SERVICES

REGION = "us-east-1"
TOPIC = f"arn:aws:sns:{REGION}:000000000000:godwit-sandbox"

NOT_INHERITED = ("GODWIT_", "AWS_", "PG", "DATABASE_URL", "NATS_URL")
"""What the shell says about other installations must not reach into this one."""


LIBRARIES = ("msgspec", "structlog", "asyncpg", "nats", "uvloop", "uvicorn", "faststream.nats", "litestar", "boto3")
"""The slow ones among the services' imports, named so that the supervisor can look around between them."""


@dataclass(frozen=True)
class Programs:
    """What runs, each as `module:function`; `libraries` are loaded before them."""

    prepare: str = "deploy.provisioning.prepare:prepare"
    sandbox: str = "deploy.sandbox.__main__:main"
    service: str = "services.{service}.__main__:main"
    libraries: tuple[str, ...] = LIBRARIES

    def of(self, service: str) -> str:
        return self.service.format(service=service)

    @property
    def modules(self) -> list[str]:
        """What they import."""
        programs = (*map(self.of, SERVICES), self.sandbox, self.prepare)
        return [*self.libraries, *(program.partition(":")[0] for program in programs)]


@dataclass(frozen=True)
class Ports:
    """The ports that nobody chose."""

    nats: int
    nats_monitor: int
    health: dict[str, int]


def servers(settings: Settings, layout: Layout, ports: Ports, programs: Programs) -> list[Part]:
    """What the services stand on; it runs without their code, so it starts while that is loaded."""
    environment = inherited()
    parent = os.getpid()
    return [
        Part(
            name="postgres-1",
            run=lambda: postgres.run(layout, parent),
            ready=lambda pid: postgres.ready(layout, pid),
            environment=environment,
            stop=signal.SIGINT,  # Postgres' fast shutdown: roll back, write everything down, leave
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


def setup(layout: Layout, ports: Ports, programs: Programs) -> Part:
    """Brings schemas, roles and streams up to date, once."""
    admin_url = postgres.url(layout)
    return Part(
        name="setup-1",
        run=lambda: call(programs.prepare, admin_url, nats.url(ports.nats)),
        ready=lambda _: False,
        environment=inherited() | {"GODWIT_ADMIN_DATABASE_URL": admin_url},
        once=True,
    )


def services(
    settings: Settings, layout: Layout, ports: Ports, programs: Programs, secrets: Mapping[str, str]
) -> list[Part]:
    """Every service process."""
    return [
        Part(
            name=f"{service}-{n}",
            run=functools.partial(call, programs.of(service)),
            ready=functools.partial(service_ready, settings, service, ports.health[f"{service}-{n}"]),
            environment=service_environment(settings, layout, ports, secrets, service, n),
        )
        for service, n in settings.instances
    ]


UNTRACKED = "godwit-no-tracking"
"""The sandbox follows nothing that is sent with a configuration set of such a name."""


def service_ready(settings: Settings, service: str, health_port: int, _pid: int) -> bool:
    if service == "gateway" and not answers(settings.http_port, "/livez", settings.host):
        return False
    return answers(health_port, "/readyz")


def service_environment(
    settings: Settings, layout: Layout, ports: Ports, secrets: Mapping[str, str], service: str, n: int
) -> dict[str, str]:
    """Everything one service process is told: our wiring over what the user set over our defaults."""
    # the sandbox's bounces and complaints are made up: nobody's campaign should stop for them
    defaults = {
        "GODWIT_PUBLIC_URL": settings.url,
        "GODWIT_LOG_FORMAT": "console",
        "GODWIT_REPUTATION_GUARD": "warn",
        "GODWIT_CONFIGURATION_SET_UNTRACKED": UNTRACKED,
    }
    wiring = {
        "DATABASE_URL": postgres.url(layout, user=f"godwit_{service}"),
        "NATS_URL": nats.url(ports.nats),
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
    """The supervisor's environment without other installations' settings; loopback goes through no proxy."""
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
