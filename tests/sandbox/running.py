"""A running sandbox and a listening subscriber, for tests."""

import base64
import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import Request, urlopen
from uuid import uuid4

import boto3
import msgspec
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from types_boto3_sesv2 import SESV2Client

from deploy.embedded.ports import free_ports

Found = TypeVar("Found")
Json = dict[str, Any]

# As the SNS developer guide lists them; deliberately not taken from the code under test.
SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
QUIET = {
    **dict.fromkeys(("bounce", "complaint", "open", "click", "reject", "deliveryDelay"), 0),
    "delays": {"send": 0, "delivery": 0.3, "bounce": 0.5, "complaint": 0.5, "open": 2, "click": 2},
}


def eventually(look: Callable[[], Found], seconds: float = 10.0) -> Found:
    """Return what `look` finds as soon as it finds something true."""
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s; last seen: {found!r}"
        time.sleep(0.02)


def unique_address() -> str:
    return f"ann-{uuid4().hex[:12]}@example.net"


class Sandbox:
    def __init__(self, data_dir: Path, *options: str) -> None:
        self.data_dir, self.options = data_dir, options
        [self.port] = free_ports(1)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "deploy.sandbox", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        self.process = subprocess.Popen([*command, *self.options])
        eventually(self._is_alive)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(5)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def ses(self) -> SESV2Client:
        client: SESV2Client = boto3.client("sesv2", **self.credentials)
        return client

    @cached_property
    def credentials(self) -> Json:
        """Return the arguments for a boto3 client that tries once, with a short timeout."""
        return {
            "region_name": "eu-west-1",
            "endpoint_url": self.url,
            "aws_access_key_id": "any",
            "aws_secret_access_key": "thing",
            "config": Config(read_timeout=2, connect_timeout=2, retries={"total_max_attempts": 1, "mode": "standard"}),
        }

    def send(self, to: str, email_id: str = "", configuration_set: str = "tracked", html: str = "<p>Hi</p>") -> str:
        """Send one plain email through boto3, and return its message id."""
        answer = self.ses.send_email(
            FromEmailAddress="News <news@example.com>",
            Destination={"ToAddresses": [to]},
            Content={"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Html": {"Data": html}}}},
            EmailTags=[{"Name": "godwit_email", "Value": email_id or uuid4().hex}],
            ConfigurationSetName=configuration_set,
        )
        return answer["MessageId"]

    def messages(self, query: str = "") -> list[Json]:
        listed: list[Json] = self.get(f"/sandbox/messages?{query}")["messages"]
        return listed

    def get(self, path: str) -> Json:
        return self._call("GET", path)

    def post(self, path: str, body: Json) -> Json:
        return self._call("POST", path, body)

    def delete(self, path: str) -> Json:
        return self._call("DELETE", path)

    def page(self, path: str) -> str:
        with urlopen(self.url + path, timeout=5) as answer:
            return str(answer.read().decode())

    def _call(self, method: str, path: str, body: Json | None = None) -> Json:
        data = json.dumps(body).encode() if body is not None else None
        with urlopen(Request(self.url + path, data=data, method=method), timeout=30) as answer:
            read: Json = json.load(answer)
            return read

    def _is_alive(self) -> bool:
        assert self.process.poll() is None, "the sandbox ended while it started"
        try:
            return self.get("/livez") == {"status": "ok"}
        except (OSError, http.client.HTTPException):
            return False


class Post(msgspec.Struct):
    headers: dict[str, str]
    envelope: dict[str, str]
    at: float

    @property
    def kind(self) -> str:
        return self.envelope["Type"]

    @property
    def event(self) -> Json:
        event: Json = json.loads(self.envelope["Message"])
        return event


class Subscriber:
    """An HTTP subscriber that collects what is posted to it.

    `confirms` and `status` set its behaviour, and may be changed at any time."""

    def __init__(self, port: int = 0) -> None:
        self.posts: list[Post] = []
        self.confirms = True
        self.status = 200
        subscriber = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                status = subscriber.take(dict(self.headers.items()), json.loads(body))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/sns"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, headers: dict[str, str], envelope: dict[str, str]) -> int:
        post = Post({name.lower(): value for name, value in headers.items()}, envelope, time.time())
        self.posts.append(post)
        if self.status == 200 and post.kind == "SubscriptionConfirmation" and self.confirms:
            urlopen(envelope["SubscribeURL"], timeout=5).close()
        return self.status

    def told_of(self, message_id: str) -> list[Json]:
        """Return the events about this message, in the order of their arrival."""
        told = [post.event for post in self.posts if post.kind == "Notification"]
        return [event for event in told if event["mail"]["messageId"] == message_id]

    def kinds_of(self, message_id: str) -> list[str]:
        return [event["eventType"] for event in self.told_of(message_id)]

    def wait_for(self, message_id: str, *kinds: str) -> list[Json]:
        """Wait until these kinds of events have arrived, in any order, and return all events about this message."""
        return eventually(lambda: self.told_of(message_id) if set(kinds) <= set(self.kinds_of(message_id)) else [])


def verify(envelope: dict[str, str], ca_file: Path) -> None:
    """Raise unless the envelope is signed by a certificate that this authority has issued."""
    with urlopen(envelope["SigningCertURL"], timeout=5) as answer:
        certificate = x509.load_pem_x509_certificate(answer.read())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(ca_file.read_bytes()))
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    signed = "".join(f"{name}\n{envelope[name]}\n" for name in SIGNED[envelope["Type"]] if name in envelope)
    key.verify(base64.b64decode(envelope["Signature"]), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
