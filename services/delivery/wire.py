"""The last metre of a call to SES: one request out, one answer in, over a connection that each thread keeps.

It takes the place of botocore's own transport (by its `before-send` event) for two reasons. It knows whether any of the
request was sent, which decides between "not taken" and "unknown". And a call costs half as much, because the request
leaves in one piece and the answer is parsed in C.
"""

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httptools
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import get_cert_path

CHUNK = 65536


class NotConnected(Exception):
    """There was no connection, so nothing was sent."""


class NoAnswer(Exception):
    """Some of the request may have arrived, and no whole answer came."""


class Wire:
    """Sends requests; safe for many threads. `connect` and `read` are timeouts in seconds."""

    def __init__(self, connect: float, read: float) -> None:
        self._connect = connect
        self._read = read
        self._mine = threading.local()
        self._tls = ssl.create_default_context(cafile=get_cert_path(True))

    def send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        """Handles botocore's `before-send`. Raises NotConnected or NoAnswer."""
        url = _split(request.url.partition("?")[0])
        connection = self._connection(url)
        try:
            connection.sendall(_encoded(request, url))
            answer = self._answer(connection)
        except BaseException as failure:
            self._drop()
            if isinstance(failure, OSError | httptools.HttpParserError):
                raise NoAnswer(type(failure).__name__) from failure
            raise
        if not answer.keeps_alive:
            self._drop()
        return AWSResponse(request.url, answer.status, answer.headers, answer)

    def _connection(self, url: SplitResult) -> socket.socket:
        """This thread's connection, or a new one if there is none or the other side has closed it."""
        kept: tuple[str, socket.socket] | None = getattr(self._mine, "connection", None)
        if kept and kept[0] == url.netloc and not _readable(kept[1]):
            return kept[1]
        self._drop()
        try:
            opened = self._open(url)
        except OSError as failure:
            raise NotConnected(type(failure).__name__) from failure
        self._mine.connection = url.netloc, opened
        return opened

    def _open(self, url: SplitResult) -> socket.socket:
        port = url.port or (443 if url.scheme == "https" else 80)
        opened = socket.create_connection((url.hostname or "", port), timeout=self._connect)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            secured = self._tls.wrap_socket(opened, server_hostname=url.hostname) if url.scheme == "https" else opened
        except BaseException:
            opened.close()
            raise
        # The kernel keeps the time: a timeout of Python's would cost a further system call for each of ours.
        limit = struct.pack("ll", int(self._read), int(self._read % 1 * 1e6))
        secured.settimeout(None)
        secured.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        secured.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        return secured

    def _answer(self, connection: socket.socket) -> "_Answer":
        answer = _Answer()
        until = time.monotonic() + self._read
        while not answer.complete:
            data = connection.recv(CHUNK)
            if not data or time.monotonic() > until:
                raise ConnectionError("closed, or too slow")
            answer.feed(data)
        return answer

    def _drop(self) -> None:
        kept: tuple[str, socket.socket] | None = getattr(self._mine, "connection", None)
        self._mine.connection = None
        if kept:
            kept[1].close()


class _Answer:
    """An HTTP response as it comes in."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.headers: Any = {}  # botocore takes any mapping; its stubs name http.client's
        self.status = 0
        self.keeps_alive = False
        self.complete = False

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def stream(self) -> Iterator[bytes]:
        """The body, as botocore reads it."""
        return iter(self._body)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1")] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.keeps_alive = self._parser.should_keep_alive()
        self.complete = self.status >= 200  # 1xx only announces the answer


def _encoded(request: AWSPreparedRequest, url: SplitResult) -> bytes:
    target = url.path or "/"
    query = request.url.partition("?")[2]
    lines = [f"{request.method} {target}{'?' + query if query else ''} HTTP/1.1", f"Host: {url.netloc}"]
    for name, value in request.headers.items():
        if name.lower() != "host":
            lines.append(f"{name}: {value.decode('latin-1') if isinstance(value, bytes) else value}")
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _readable(connection: socket.socket) -> bool:
    """Between requests nothing is to be read: if something is, the other side has closed, or is out of step."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


@lru_cache(maxsize=16)
def _split(url: str) -> SplitResult:
    return urlsplit(url)
