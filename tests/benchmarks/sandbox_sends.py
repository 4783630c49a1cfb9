"""Sends per second that the SES sandbox accepts, next to a bare POST on the same server in the same run.

    python -m tests.benchmarks.sandbox_sends [--seconds 4] [--connections 64]

The requests are boto3's own, signed once and repeated over kept-alive sockets. With two cores, the server gets one and
the load generator the other. The bare server reads the same body into the same Struct and responds at once.
"""

import argparse
import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import cast
from urllib.request import Request, urlopen

import boto3
import httptools
import msgspec
import uvicorn
import uvloop
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config

from deploy.sandbox.http.asgi import (
    Receive,
    Response,
    Scope,
    Send,
    json_response,
    respond,
)
from deploy.sandbox.http.asgi import Request as SandboxRequest
from deploy.sandbox.http.requests import SendEmail

HTML = "<p>Hello, a godwit flies 11,000 km without a stop. <a href='https://example.com/a'>Read on</a></p>" * 30
FAST = ["--max-send-rate", "1000000", "--max-24-hour-send", "1000000000"]


def main(arguments: Sequence[str] | None = None) -> None:
    options = _options(arguments)
    server_core, load_core = _two_cores()
    os.sched_setaffinity(0, {load_core})
    requests = {"Simple, 3 kB HTML": _simple_request(), "Raw, 30 kB": _raw_request()}
    print(f"{options.connections} connections, {options.seconds:g} s each, server on core {server_core}\n")
    print(f"{'':34}{'sends/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'of bare':>9}{'RSS MB':>9}{'told/s':>9}")
    for name, request in requests.items():
        with _bare_server(server_core) as nothing:
            plain = uvloop.run(_load(nothing.port, request, options.connections, options.seconds))
            _print(f"bare POST, {name}", plain, plain, nothing)
        with _sandbox(server_core) as quiet:
            sends = uvloop.run(_load(quiet.port, request, options.connections, options.seconds))
            _print(f"sandbox, {name}", sends, plain, quiet)
        uvloop.run(_with_subscriber(server_core, name, request, plain, options))


async def _with_subscriber(core: int, name: str, request: bytes, plain: "Load", options: argparse.Namespace) -> None:
    """Repeat it with every event signed and posted: how much notifications slow sends, and their rate alone."""
    sink = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
    port = sink.sockets[0].getsockname()[1]
    with _sandbox(core, "--subscriber", f"http://127.0.0.1:{port}/") as told:
        await _until_confirmed(told)
        sends = await _load(told.port, request, options.connections, options.seconds)
        _print("  and events to a subscriber", sends, plain, told, Sink.posts / options.seconds)
        before = Sink.posts
        await asyncio.sleep(options.seconds)
        print(f"{'  and nothing else to do':34}{'':45}{(Sink.posts - before) / options.seconds:9,.0f}\n")
    sink.close()


class Load(msgspec.Struct):
    per_second: float
    latencies: list[float]

    def percentile(self, share: float) -> float:
        return sorted(self.latencies)[int(len(self.latencies) * share)] * 1000


class Served(msgspec.Struct):
    port: int
    pid: int

    @property
    def rss(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def _print(name: str, load: Load, plain: Load, served: Served, told: float | None = None) -> None:
    share = load.per_second / plain.per_second
    numbers = (
        f"{load.per_second:9,.0f}{load.percentile(0.5):9.1f}{load.percentile(0.99):9.1f}{share:9.2f}{served.rss:9.0f}"
    )
    print(f"{name:34}{numbers}" + (f"{told:9,.0f}" if told is not None else ""))


# -- load


class Caller(asyncio.Protocol):
    """Sends the next request as soon as the previous one has its response."""

    def __init__(self, request: bytes, latencies: list[float]) -> None:
        self._request, self._latencies = request, latencies
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's
        self._send()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() != 200:
            raise SystemExit(f"the server answered {self._parser.get_status_code()}")
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._send()

    def _send(self) -> None:
        self._sent_at = time.perf_counter()
        self.transport.write(self._request)


async def _load(port: int, request: bytes, connections: int, seconds: float) -> Load:
    line, rest = request.split(b"\r\n", 1)
    request = b"%s\r\nHost: 127.0.0.1:%d\r\n%s" % (line, port, rest)
    loop, latencies = asyncio.get_running_loop(), list[float]()
    callers = [
        await loop.create_connection(lambda: Caller(request, latencies), "127.0.0.1", port) for _ in range(connections)
    ]
    await asyncio.sleep(0.5)
    latencies.clear()
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    rate = len(latencies) / (time.perf_counter() - started)
    for transport, _ in callers:
        transport.abort()
    return Load(rate, list(latencies))


class Sink(asyncio.Protocol):
    """A subscriber that confirms its subscription and responds with 200 to everything else."""

    posts = 0

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports do not inherit from asyncio's

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        if b"SubscribeURL" in body:
            self._confirming = asyncio.ensure_future(asyncio.to_thread(_get, json.loads(body)["SubscribeURL"]))
        else:
            Sink.posts += 1
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")


async def _until_confirmed(served: Served) -> None:
    url = f"http://127.0.0.1:{served.port}/sandbox/notifications"
    for _ in range(100):
        if json.loads(await asyncio.to_thread(_get, url))["subscriptions"][0]["confirmed"]:
            break
        await asyncio.sleep(0.05)
    Sink.posts = 0


# -- servers


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    body = await SandboxRequest(scope, receive).body()
    await respond(json_response({"MessageId": read_bare(body).from_email_address}) if body else Response(), send)


read_bare = msgspec.json.Decoder(SendEmail).decode


def _serve_bare(port: int) -> None:
    uvicorn.run(bare, port=port, http="httptools", loop="uvloop", lifespan="off", log_config=None, access_log=False)


@contextmanager
def _sandbox(core: int, *arguments: str) -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="sandbox-bench-") as data_dir:
        for served in _served(core, ["-m", "deploy.sandbox", "--data-dir", data_dir, *FAST, *arguments]):
            behaviour = {"bounce": 0, "complaint": 0}  # all mail goes to one address, which one bounce would suppress
            _get(f"http://127.0.0.1:{served.port}/sandbox/behaviour", json.dumps(behaviour).encode())
            yield served


@contextmanager
def _bare_server(core: int) -> Iterator[Served]:
    yield from _served(core, ["-m", "tests.benchmarks.sandbox_sends", "--serve-bare"])


def _served(core: int, arguments: list[str]) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *arguments, "--port", str(port)], preexec_fn=lambda: os.sched_setaffinity(0, {core})
    )
    try:
        _wait_for(f"http://127.0.0.1:{port}/livez")
        yield Served(port, process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _wait_for(url: str) -> None:
    for _ in range(100):
        try:
            _get(url)
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{url} does not answer")


def _get(url: str, body: bytes | None = None) -> bytes:
    with urlopen(Request(url, body), timeout=5) as answer:
        return bytes(answer.read())


# -- requests


def _simple_request() -> bytes:
    return _captured({"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Html": {"Data": HTML}}}})


def _raw_request() -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "news@example.com", "ann@example.net", "Hello"
    mail.set_content("Hello")
    mail.add_alternative(HTML * 10, subtype="html")
    return _captured({"Raw": {"Data": mail.as_bytes()}})


def _captured(content: dict[str, object]) -> bytes:
    """Return the bytes that boto3 would send for this call."""
    captured: list[AWSPreparedRequest] = []

    def capture(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        captured.append(request)
        return AWSResponse(request.url, 200, HTTPHeaders(), Body())

    client = boto3.client(
        "sesv2",
        region_name="eu-west-1",
        endpoint_url="http://127.0.0.1:1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    client.meta.events.register("before-send.sesv2.SendEmail", capture)
    client.send_email(
        FromEmailAddress="news@example.com",
        Destination={"ToAddresses": ["ann@example.net"]},
        Content=content,
        EmailTags=[{"Name": "godwit_email", "Value": "0198c0de"}],
    )
    request = captured[0]
    assert isinstance(request.body, bytes)
    headers = "".join(f"{name}: {_text(value)}\r\n" for name, value in request.headers.items())
    return f"POST /v2/email/outbound-emails HTTP/1.1\r\n{headers}\r\n".encode() + request.body


class Body:
    """An empty response body in the form that botocore reads."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield b"{}"


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _two_cores() -> tuple[int, int]:
    cores = sorted(os.sched_getaffinity(0))
    return cores[0], cores[-1]


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--serve-bare", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, default=0, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


if __name__ == "__main__":
    chosen = _options()
    if chosen.serve_bare:
        _serve_bare(chosen.port)
    else:
        main()
