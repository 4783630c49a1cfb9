"""The HTTP transport of calls to SES: one request, one response, over a connection that each thread keeps open.

boto3 builds the request and interprets errors. From its `before-call` event on, this module replaces botocore's HTTP
layer, for two reasons. It knows whether any of the request was sent, which separates "not accepted" from "unknown". And
a call costs a third as much CPU: no retry handling, the request leaves in one piece, and the response is parsed in C.
"""

import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httptools
from botocore.awsrequest import AWSPreparedRequest, AWSRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParser, create_parser
from botocore.signers import RequestSigner

CHUNK = 65536
PIECE, MAX_HASHED_IN_PIECES = 2047, 65536
"""Bytes that hashlib digests without releasing the GIL, and the largest body for which hashing in such pieces pays."""

SIGNATURE = "v4"


class SesTransport:
    """Sends requests; safe to use from many threads.

    `connect` and `read` are timeouts in seconds. `ca_bundle` is a file of certificate authorities that replaces the
    default ones.
    """

    def __init__(self, connect: float, read: float, ca_bundle: str | None = None) -> None:
        self._connect = connect
        self._read = read
        self._local = threading.local()
        self._tls = ssl.create_default_context(cafile=ca_bundle or get_cert_path(True))

    def call(
        self,
        model: Any,  # an OperationModel, whose stubs do not match the parser's
        params: Mapping[str, Any],
        request_signer: RequestSigner,
        context: Mapping[str, Any],
        **_: object,
    ) -> tuple[AWSResponse, object] | None:
        """Handle botocore's `before-call`: return the response and its parsed body, or None to leave it to botocore.

        Raises botocore's errors. EndpointConnectionError means that nothing was sent, even if TLS failed; after any
        other error the request may have arrived.
        """
        if (context.get("auth_type") or SIGNATURE) != SIGNATURE:
            return None
        request = AWSRequest(method=params["method"], url=params["url"], headers=params["headers"], data=params["body"])
        if isinstance(params["body"], bytes) and len(params["body"]) <= MAX_HASHED_IN_PIECES:
            request.headers["X-Amz-Content-SHA256"] = _digest(params["body"])
        signing = context.get("signing", {})
        name = signing.get("signing_name", request_signer.signing_name)
        region = signing.get("region", request_signer.region_name)
        request_signer.get_auth(name, region, SIGNATURE).add_auth(request)
        received = self._exchange(request.prepare())
        response = AWSResponse(params["url"], received.status, received.headers, received)
        parts = {"status_code": response.status_code, "headers": response.headers, "body": response.content}
        return response, _parser(model.service_model.resolved_protocol).parse(parts, model.output_shape)

    def _exchange(self, request: AWSPreparedRequest) -> "_Response":
        url = _split(request.url.partition("?")[0])
        connection = self._connection(url)
        try:
            connection.sendall(_encoded(request, url))
            response = self._receive(connection)
        except BaseException as failure:
            self._drop()
            if isinstance(failure, BlockingIOError):
                raise ReadTimeoutError(endpoint_url=request.url, error=failure) from failure
            if isinstance(failure, OSError | httptools.HttpParserError):
                raise ConnectionClosedError(endpoint_url=request.url, error=failure) from failure
            raise
        if not response.keeps_alive:
            self._drop()
        return response

    def _connection(self, url: SplitResult) -> socket.socket:
        """Return this thread's connection, or open one if there is none or the server has closed it."""
        kept: tuple[str, socket.socket] | None = getattr(self._local, "connection", None)
        if kept and kept[0] == url.netloc and not _readable(kept[1]):
            return kept[1]
        self._drop()
        try:
            opened = self._open(url)
        except OSError as failure:
            raise EndpointConnectionError(endpoint_url=url.geturl(), error=failure) from failure
        self._local.connection = url.netloc, opened
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
        # The kernel enforces the timeout: Python's own would add a system call to each of ours.
        limit = struct.pack("ll", int(self._read), int(self._read % 1 * 1e6))
        secured.settimeout(None)
        secured.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        secured.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        return secured

    def _receive(self, connection: socket.socket) -> "_Response":
        response = _Response()
        until = time.monotonic() + self._read
        while not response.complete:
            data = connection.recv(CHUNK)
            if not data:
                raise ConnectionError("closed before the response was complete")
            if time.monotonic() > until:
                raise BlockingIOError("too slow")
            response.feed(data)
        return response

    def _drop(self) -> None:
        kept: tuple[str, socket.socket] | None = getattr(self._local, "connection", None)
        self._local.connection = None
        if kept:
            kept[1].close()


class _Response:
    """An HTTP response while it is being received."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self.headers: Any = {}  # botocore accepts any mapping; its stubs demand http.client's
        self.status = 0
        self.keeps_alive = False
        self.complete = False

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def stream(self) -> Iterator[bytes]:
        """Return the body the way botocore reads it."""
        return iter(self._body)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1")] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.keeps_alive = self._parser.should_keep_alive()
        self.complete = self.status >= 200  # 1xx precedes the final response


def _encoded(request: AWSPreparedRequest, url: SplitResult) -> bytes:
    target = url.path or "/"
    query = request.url.partition("?")[2]
    lines = [f"{request.method} {target}{'?' + query if query else ''} HTTP/1.1", f"Host: {url.netloc}"]
    for name, value in request.headers.items():
        if name.lower() != "host":
            lines.append(f"{name}: {value.decode('latin-1') if isinstance(value, bytes) else value}")
    body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _digest(body: bytes) -> str:
    """Hash piece by piece, which keeps the GIL: getting it back from the other threads takes longer than hashing."""
    digest = sha256()
    for start in range(0, len(body), PIECE):
        digest.update(body[start : start + PIECE])
    return digest.hexdigest()


def _readable(connection: socket.socket) -> bool:
    """Return whether there is anything to read. Between requests that means the server closed the connection."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(0))


@lru_cache(maxsize=4)
def _parser(protocol: str) -> ResponseParser:
    return create_parser(protocol)


@lru_cache(maxsize=16)
def _split(url: str) -> SplitResult:
    return urlsplit(url)
