"""The SES sandbox as a process of its own, and the control of it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx

from deploy.embedded.ports import free_ports

START_SECONDS = 20.0


class Sandbox:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._http = httpx.Client(base_url=self.url, timeout=10)

    def accepted(self, **query: str) -> list[dict[str, Any]]:
        """What SES accepted, the newest first."""
        answer = self._http.get("/sandbox/messages", params={"limit": "100000", **query}).raise_for_status()
        messages: list[dict[str, Any]] = answer.json()["messages"]
        return messages

    def of_project(self, project: UUID) -> list[dict[str, Any]]:
        """What SES accepted of this project, the newest first."""
        tagged = self.accepted(fields="id,emailId,to,tags,acceptedAt")
        return [message for message in tagged if message["tags"].get("godwit_project") == str(project)]

    def plant(self, fault: str, count: int | None = None, rate: float = 1.0) -> None:
        body = {"fault": fault, "rate": rate} | ({"count": count} if count else {})
        self._http.post("/sandbox/faults", json=body).raise_for_status()

    def heal(self) -> None:
        self._http.delete("/sandbox/faults").raise_for_status()

    def account(self, **changes: float) -> None:
        self._http.post("/sandbox/account", json=changes).raise_for_status()

    def ready(self) -> bool:
        try:
            return self._http.get("/sandbox/stats").is_success
        except httpx.TransportError:
            return False


@contextmanager
def running(data_dir: Path) -> Iterator[Sandbox]:
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "deploy.sandbox", "--port", str(port), "--data-dir", str(data_dir)]
    process = subprocess.Popen(command)
    try:
        sandbox = Sandbox(port)
        deadline = time.monotonic() + START_SECONDS
        while not sandbox.ready():
            assert process.poll() is None and time.monotonic() < deadline, "the sandbox does not start"
            time.sleep(0.05)
        yield sandbox
    finally:
        process.terminate()
        process.wait(20)
