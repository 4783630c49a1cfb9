"""The addresses of a running stack: `run/endpoints.json` in its data directory."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from deploy.embedded import access, nats, postgres
from deploy.embedded.layout import Layout
from deploy.embedded.lock import is_held
from deploy.embedded.passwords import Passwords
from deploy.embedded.ports import LOOPBACK
from deploy.embedded.process import write_whole
from deploy.embedded.settings import Settings
from deploy.embedded.stack import Ports
from deploy.provisioning.permissions import OPERATOR


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The addresses of one running stack, with the operator's passwords.

    `health_ports` are by process (`contacts-1`), on the loopback interface.
    """

    url: str
    sandbox_url: str
    admin_database_url: str
    nats_url: str
    nats_monitor_url: str | None = None
    health_ports: dict[str, int]


def record(settings: Settings, layout: Layout, ports: Ports, known: Passwords) -> None:
    endpoints = Endpoints(
        url=settings.url,
        sandbox_url=settings.sandbox_url,
        admin_database_url=postgres.url(layout, known.database[access.SUPERUSER]),
        nats_url=nats.url(ports.nats, OPERATOR, known.bus[OPERATOR]),
        nats_monitor_url=f"http://{LOOPBACK}:{ports.nats_monitor}",
        health_ports=ports.health,
    )
    write_whole(layout.endpoints, msgspec.json.format(msgspec.json.encode(endpoints)).decode() + "\n")


def of_running_stack(environ: Mapping[str, str] | None = None) -> Endpoints | None:
    """Return the endpoints of the stack in GODWIT_DATA_DIR (`.godwit`), or None if it is not running or not ready."""
    environ = os.environ if environ is None else environ
    layout = Layout(Path(environ.get("GODWIT_DATA_DIR") or Settings().data_dir).absolute())
    if not is_held(layout):  # a killed stack leaves its file behind
        return None
    try:
        return msgspec.json.decode(layout.endpoints.read_bytes(), type=Endpoints)
    except FileNotFoundError:
        return None
