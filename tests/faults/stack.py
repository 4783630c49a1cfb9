"""The stack that faults are injected into: `godwit up`, with two hooks for tests in each service process.

Every second replica connects to Postgres through the socket in FAULTS_DIR, where a fault proxy listens. A file
`<process>.crash` in that directory names a crash point: the next start of the process crashes there, later ones do not.
"""

import os
import sys
from functools import partial
from importlib import import_module
from pathlib import Path

from deploy.embedded.stack import LIBRARIES, Programs
from deploy.embedded.up import up
from deploy.services import SERVICES

DIRECTORY = "FAULTS_DIR"


def service(name: str) -> None:
    faults, process = Path(os.environ[DIRECTORY]), os.environ["GODWIT_INSTANCE"]
    if process.endswith("-2"):
        address = os.environ["DATABASE_URL"].partition("?")[0]
        os.environ["DATABASE_URL"] = f"{address}?host={faults}&port=5432"
    crash = faults / f"{process}.crash"
    if crash.exists():
        os.environ["GODWIT_CRASH_AT"] = crash.read_text()
        crash.unlink()
    import_module(f"services.{name}.__main__").main()


gateway, contacts, campaigns, workflows, delivery, feedback = (partial(service, name) for name in SERVICES)

PROGRAMS = Programs(
    service="tests.faults.stack:{service}",
    libraries=(*LIBRARIES, *(f"services.{name}.__main__" for name in SERVICES)),
)

if __name__ == "__main__":
    sys.exit(up(PROGRAMS))
