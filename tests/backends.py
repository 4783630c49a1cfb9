"""The Postgres and NATS for the tests, as chosen by GODWIT_TEST_BACKEND.

`embedded` (the default) starts both from their wheels; `containers` starts them where a Docker engine runs;
`external` uses the servers at GODWIT_TEST_DATABASE_URL (as a superuser) and GODWIT_TEST_NATS_URL, without workers:
they would have to share them.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.embedded.backend import Backend
from deploy.embedded.backend import running as embedded
from libs.runtime.operations.migrations import role_of
from libs.runtime.process.service import Service

POSTGRES_IMAGE = "postgres:18-alpine"
NATS_IMAGE = "nats:2.12-alpine"
NATS_CONFIG = "jetstream { store_dir: /data, sync_interval: always }\nhttp: 8222\n"
POSTGRES_COMMAND = "postgres -c max_connections=200 -c jit=off -c timezone=UTC"
START_LIMIT = 60

ROLE_PASSWORD = "of-every-role-in-tests"


def role_passwords(services: Iterable[Service]) -> dict[str, str]:
    """The passwords to give to the database roles of the services."""
    return {role_of(service.name): ROLE_PASSWORD for service in services}


def url_as(role: str, admin_url: str) -> str:
    """The database's address with the role of a service."""
    parts = urlsplit(admin_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{ROLE_PASSWORD}@{host}"))


@contextmanager
def test_backend(data_dir: Path) -> Iterator[Backend]:
    """Run the servers until the block ends. Only `embedded` uses `data_dir`."""
    match os.environ.get("GODWIT_TEST_BACKEND", "embedded"):
        case "embedded":
            with embedded(data_dir) as backend:
                yield backend
        case "containers":
            with containers() as backend:
                yield backend
        case "external":
            yield Backend(os.environ["GODWIT_TEST_DATABASE_URL"], os.environ["GODWIT_TEST_NATS_URL"])
        case other:
            raise SystemExit(f"GODWIT_TEST_BACKEND={other}: must be embedded, containers or external")


@contextmanager
def containers() -> Iterator[Backend]:
    # imported here because the other two backends need neither the package nor Docker
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import ExecWaitStrategy, LogMessageWaitStrategy

    bus = (
        DockerContainer(NATS_IMAGE)
        .with_command(
            ["sh", "-c", f"printf '%s' '{NATS_CONFIG}' > /tmp/nats.conf && exec nats-server -c /tmp/nats.conf"]
        )
        .with_exposed_ports(4222)
        .waiting_for(LogMessageWaitStrategy("Server is ready").with_startup_timeout(START_LIMIT))
    )
    # by TCP, because the temporary server that creates the database listens only on its socket
    accepting = ExecWaitStrategy(["pg_isready", "--host=127.0.0.1"]).with_startup_timeout(START_LIMIT)
    database = (
        DockerContainer(POSTGRES_IMAGE)
        .with_env("POSTGRES_DB", "godwit")
        .with_env("POSTGRES_PASSWORD", ROLE_PASSWORD)
        .with_command(POSTGRES_COMMAND)
        .with_exposed_ports(5432)
        .waiting_for(accepting)
    )
    with bus, database:
        yield Backend(
            f"postgresql://postgres:{ROLE_PASSWORD}@{database.get_container_host_ip()}:{database.get_exposed_port(5432)}/godwit",
            f"nats://{bus.get_container_host_ip()}:{bus.get_exposed_port(4222)}",
        )
