"""The whole product, started the way a user starts it, with two senders and two contacts processes."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deploy.demo.api import Api, connect
from deploy.demo.target import Target, stack
from deploy.embedded.ports import free_ports
from tests.environment import environment

SETTINGS = {
    "GODWIT_REPLICAS_DELIVERY": "2",
    "GODWIT_REPLICAS_CONTACTS": "2",
    "GODWIT_UNKNOWN_GRACE": "5",
    "GODWIT_RETRY_DELAYS": "0.2,1,2,5",
    "GODWIT_API_RATE_LIMIT": "0",
}


@pytest.fixture(scope="session")
def smtp_ports() -> tuple[int, int]:
    """The ports of the SMTP relay: for STARTTLS and for implicit TLS."""
    starttls, tls = free_ports(2)
    return starttls, tls


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory, smtp_ports: tuple[int, int]) -> Iterator[Target]:
    """A stack with its own directory and ports. Whatever the tests did to it, `godwit audit` must pass at the end."""
    http, sandbox = free_ports(2)
    own = {
        "GODWIT_DATA_DIR": str(tmp_path_factory.mktemp("stack")),
        "GODWIT_HTTP_PORT": str(http),
        "GODWIT_SANDBOX_PORT": str(sandbox),
        "GODWIT_SMTP_PORT": str(smtp_ports[0]),
        "GODWIT_SMTPS_PORT": str(smtp_ports[1]),
    }
    with ExitStack() as running:
        with environment(SETTINGS | own):
            target = running.enter_context(stack())
        yield target
        audited = godwit(target, "audit")
        assert audited.returncode == 0, audited.stdout + audited.stderr
        assert "Violation" not in log_of(target, "nats-1"), "a process needed a right on the bus that it does not have"


def godwit(target: Target, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """Run a `godwit` command on the stack, as an operator does."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GODWIT_")}
    return subprocess.run(
        [sys.executable, "-m", "deploy.cli", *arguments],
        env=environ | {"GODWIT_DATA_DIR": str(target.layout.root)} | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="session")
async def api(target: Target) -> AsyncIterator[Api]:
    async with connect(target) as connected:
        yield connected


@pytest.fixture(scope="session")
async def http(target: Target) -> AsyncIterator[httpx.AsyncClient]:
    """A client without an API key, like a mailbox user or a stranger."""
    async with httpx.AsyncClient(base_url=target.endpoints.url, timeout=30) as client:
        yield client


@pytest.fixture
def plan() -> str:
    """A value of `data.plan` that only the contacts of this test have."""
    return f"plan-{uuid4().hex[:12]}"


def log_of(target: Target, process: str) -> str:
    return Path(target.layout.log_file(process)).read_text(errors="replace")
