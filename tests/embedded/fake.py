"""Stand-ins for the supervisor's programs: they become ready, and fail on request.

FAKE_FAULTS names a file that may hold one word per part that shall fail: `prepare`, `contacts`, ... It is read at
every start of a process, so that a test can mend a part while the stack runs.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from deploy.embedded.stack import Programs
from deploy.embedded.up import up

PROGRAMS = Programs(
    prepare="tests.embedded.fake:prepare",
    sandbox="tests.embedded.fake:sandbox",
    service="tests.embedded.fake:{service}",
    libraries=(),
)


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/talk":
            print("nothing to say, at length\n" * 100_000)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(os.environ.get("GODWIT_INSTANCE", "sandbox").encode())

    def log_message(self, format: str, *args: object) -> None:
        return


def serve(port: int) -> None:
    ThreadingHTTPServer(("127.0.0.1", port), Answer).serve_forever()


def fail_if_told(name: str) -> None:
    faults = Path(os.environ["FAKE_FAULTS"])
    if faults.exists() and name in faults.read_text().split():
        raise RuntimeError(f"{name} was told to fail")


def prepare(admin_url: str, nats_url: str, passwords: Mapping[str, str]) -> None:
    fail_if_told("prepare")
    print(f"prepared {admin_url.split('?')[0]} {nats_url.split(':')[0]}")


def sandbox(argv: Sequence[str]) -> None:
    fail_if_told("sandbox")
    serve(int(argv[0].removeprefix("--port=")))


def service(name: str) -> None:
    fail_if_told(name)
    print(f"{name} is here")
    if name == "gateway":
        Thread(target=serve, args=[int(os.environ["GODWIT_HTTP_PORT"])], daemon=True).start()
    serve(int(os.environ["GODWIT_HEALTH_PORT"]))


gateway, contacts, campaigns, workflows, delivery, feedback = (
    partial(service, name) for name in ("gateway", "contacts", "campaigns", "workflows", "delivery", "feedback")
)


if __name__ == "__main__":
    sys.exit(up(PROGRAMS))
