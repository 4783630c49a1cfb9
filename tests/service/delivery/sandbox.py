"""Runs the SES sandbox as a process of its own, and controls it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import boto3
import httpx

from deploy.embedded.ports import free_ports

if TYPE_CHECKING:
    from types_boto3_sesv2 import SESV2Client

START_SECONDS = 20.0


class Sandbox:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._http = httpx.Client(base_url=self.url, timeout=10)

    def accepted(self, **query: str) -> list[dict[str, Any]]:
        """Return what SES accepted, newest first."""
        response = self._http.get("/sandbox/messages", params={"limit": "100000", **query}).raise_for_status()
        messages: list[dict[str, Any]] = response.json()["messages"]
        return messages

    def of_project(self, project: UUID) -> list[dict[str, Any]]:
        """Return what SES accepted of this project, newest first."""
        tagged = self.accepted(fields="id,emailId,to,tags,acceptedAt")
        return [message for message in tagged if message["tags"].get("godwit_project") == str(project)]

    def plant(self, project: UUID | None, fault: str, count: int | None = None) -> None:
        """Plant a fault in the calls of the project, or in all calls.

        A fault with a `count` must be a project's: probes, and mails that other tests left behind, would use it up.
        """
        tags = {"godwit_project": str(project)} if project else {}
        body = {"fault": fault, "tags": tags} | ({"count": count} if count else {})
        self._http.post("/sandbox/faults", json=body).raise_for_status()

    def heal(self) -> None:
        self._http.delete("/sandbox/faults").raise_for_status()

    def account(self, **changes: float) -> None:
        self._http.post("/sandbox/account", json=changes).raise_for_status()

    def verify_identity(self, identity: str, verified: bool = True) -> None:
        """Verify the identity, as publishing the DNS records does in reality, or undo it."""
        body = {"identity": identity, "verified": verified}
        self._http.post("/sandbox/identities", json=body).raise_for_status()

    @property
    def ses(self) -> "SESV2Client":
        """Return a boto3 client of the sandbox."""
        session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
        client: SESV2Client = session.client("sesv2", endpoint_url=self.url)
        return client

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
            assert process.poll() is None and time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.05)
        yield sandbox
    finally:
        process.terminate()
        process.wait(20)
