"""The settings of the embedded stack itself, and the check of those that it passes on to the services.

Both are GODWIT_* variables. What differs per process (database role, health port, name) is set by the stack, whatever
the environment says.
"""

import os
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated

import msgspec
from msgspec import Meta

from deploy.embedded.errors import CannotStart
from deploy.services import SERVICES
from libs.runtime.process import settings as services

PREFIX = "GODWIT_"
REPLICAS = "GODWIT_REPLICAS_"
TESTS = "GODWIT_TEST_"

Replicas = Annotated[int, Meta(ge=1, le=16)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the supervisor. `handed_on` are the GODWIT_* variables that every service gets unchanged."""

    http_port: Annotated[services.Port, Meta(description="Port of the gateway")] = 8000
    sandbox_port: Annotated[services.Port, Meta(description="Port of the SES sandbox and its mailbox page")] = 8010
    data_dir: Annotated[str, Meta(description="Directory where everything is kept")] = ".godwit"
    replicas: dict[str, Replicas] = {}
    handed_on: dict[str, str] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def host(self) -> str:
        """The address that the gateway listens on."""
        return self.handed_on.get("GODWIT_HOST", "127.0.0.1")

    @property
    def relay_ports(self) -> dict[str, int]:
        """The configured ports of the gateway's SMTP relay, by variable."""
        names = ("GODWIT_SMTP_PORT", "GODWIT_SMTPS_PORT")
        return {name: int(self.handed_on[name]) for name in names if name in self.handed_on}

    @property
    def ports(self) -> dict[str, int]:
        """Every configured port, by variable."""
        return {"GODWIT_HTTP_PORT": self.http_port, "GODWIT_SANDBOX_PORT": self.sandbox_port, **self.relay_ports}

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def instances(self) -> list[tuple[str, int]]:
        """Every service process as (service, n), with n from 1."""
        return [(service, n + 1) for service in SERVICES for n in range(self.replicas.get(service, 1))]


OWN = {f"{PREFIX}{field.upper()}": field for field in ("http_port", "sandbox_port", "data_dir")}


def load(environ: Mapping[str, str] | None = None) -> Settings:
    """Read and check all settings. Raise CannotStart with the name of an unknown or invalid variable."""
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
    own = {OWN[name]: value for name, value in given.items() if name in OWN}
    replicas = {service_of(name): value for name, value in given.items() if name.startswith(REPLICAS)}
    handed_on = {name: v for name, v in given.items() if name not in OWN and not name.startswith((REPLICAS, TESTS))}
    check(handed_on)
    settings = convert(own | {"replicas": replicas, "handed_on": handed_on})
    for (name, port), (other, taken) in combinations(settings.ports.items(), 2):
        if port == taken:
            raise CannotStart(f"{name} and {other} are both {port}: change one of them")
    return settings


def convert(values: Mapping[str, object]) -> Settings:
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        expectation, _, path = str(error).partition(" - at `$.")
        name = {"replicas": f"{REPLICAS}<SERVICE>"}.get(path[:8], f"{PREFIX}{path.strip('`').upper()}")
        raise CannotStart(f"bad setting {name}: {expectation[0].lower()}{expectation[1:]}") from error


def service_of(name: str) -> str:
    service = name.removeprefix(REPLICAS).lower()
    if service not in SERVICES:
        raise CannotStart(f"unknown setting {name}: the services are {', '.join(SERVICES)}")
    return service


def check(handed_on: Mapping[str, str]) -> None:
    """Reject, before anything runs, what every service would reject when it starts."""
    try:
        services.load({"DATABASE_URL": "postgresql:///", **handed_on})
    except services.BadSettings as error:
        raise CannotStart(str(error)) from error
