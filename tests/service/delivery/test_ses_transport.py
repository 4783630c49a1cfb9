"""The SES transport against a misbehaving server: each call is one request, and doubts stay unknown."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from uuid import UUID

import msgspec
import pytest

from libs.runtime.process.settings import Settings
from libs.schemas.delivery.content import Content
from services.delivery.ledger.mail import Mail
from services.delivery.ledger.timing import Timing, timing
from services.delivery.rendering.renderer import Renderer
from services.delivery.rendering.variables import Links
from services.delivery.sender.mailer import Mailer, mailer_of
from services.delivery.ses.client import connect
from services.delivery.ses.outcome import GIVEN_BACK, MailRejected, NotTaken, Outcome, Sent, Throttled, Unknown

TIMES: Timing = msgspec.structs.replace(timing(None), connect=1.0, read=1.5)

MAIL = Mail(
    id=UUID(int=1),
    project=UUID(int=2),
    contact_id=UUID(int=3),
    source="TRANSACTIONAL",
    recipient="ann@example.net",
    content=Content(subject="Hi", body="<p>Hi</p>", from_email="me@example.com", kind="TRANSACTIONAL"),
    data="{}",
    contact_data="{}",
    subscribed=True,
    listed=None,
    meta="{}",
    begun=time.monotonic() + 1e6,
)
ACCEPTED = b'{"MessageId":"m-1"}'


def response(body: bytes = ACCEPTED, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Server:
    """Responds to each connection from a script and records the requests. An empty response closes the connection."""

    def __init__(self, script: Callable[[int], list[bytes]]) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._script = script
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        try:
            while True:
                connection, _ = self._socket.accept()
                self.connections += 1
                threading.Thread(
                    target=self._talk, args=(connection, self._script(self.connections)), daemon=True
                ).start()
        except OSError:
            return

    def _talk(self, connection: socket.socket, responses: list[bytes]) -> None:
        with connection, suppress(EOFError):
            for each in responses:
                self.requests.append(_read_request(connection))
                if not each:
                    return
                connection.sendall(each)
            time.sleep(2)


def _read_request(connection: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += _received(connection)
    head, _, body = request.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += _received(connection)
    return head + b"\r\n\r\n" + body


def _received(connection: socket.socket) -> bytes:
    """Return received data. Raise EOFError once the client is gone, which ends the thread."""
    if not (data := connection.recv(65536)):
        raise EOFError
    return data


@contextmanager
def server(*responses: bytes) -> Iterator[Server]:
    """Run a server that gives these responses to its first connection, and successful ones to all others."""
    running = Server(lambda number: list(responses) if number == 1 else [response()] * 10)
    try:
        yield running
    finally:
        running.close()


def mailer_at(port: int, scheme: str = "http") -> Mailer:
    config = Settings(database_url="", aws_endpoint_url=f"{scheme}://127.0.0.1:{port}", send_concurrency=1)
    client = connect(config, TIMES.connect, TIMES.read)
    return mailer_of(client, config, Renderer(Links(config.public_url, config.link_keys)), TIMES)


def outcome_of(*responses: bytes) -> tuple[Outcome, int]:
    """Return the outcome of a call to a server with these responses, and the number of requests."""
    with server(*responses) as running:
        outcome = mailer_at(running.port).deliver(MAIL)
        return outcome, len(running.requests)


def test_a_call_is_one_signed_request_with_one_response() -> None:
    with server(response()) as running:
        assert mailer_at(running.port).deliver(MAIL) == Sent("m-1", "Hi")
    (request,) = running.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/email/outbound-emails HTTP/1.1\r\n")
    assert b"Authorization: AWS4-HMAC-SHA256 Credential=" in head and b"SignedHeaders=" in head
    assert f"X-Amz-Content-SHA256: {sha256(body).hexdigest()}".encode() in head
    assert msgspec.json.decode(body)["Destination"] == {"ToAddresses": ["ann@example.net"]}


def test_calls_share_a_connection() -> None:
    with server(response(), response(), response()) as running:
        ses = mailer_at(running.port)
        assert [ses.deliver(MAIL) for _ in range(3)] == [Sent("m-1", "Hi")] * 3
        assert running.connections == 1


@pytest.mark.parametrize(
    ("last", "until_closed"), [(response(), 2.2), (response(ACCEPTED, "200 OK", "connection: close"), 0)]
)
def test_a_connection_that_the_server_closed_is_replaced(last: bytes, until_closed: float) -> None:
    with server(last) as running:
        ses = mailer_at(running.port)
        ses.deliver(MAIL)
        time.sleep(until_closed)
        assert ses.deliver(MAIL) == Sent("m-1", "Hi")
        assert (running.connections, len(running.requests)) == (2, 2)


@pytest.mark.parametrize(
    "accepted",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + response(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n"
        + ACCEPTED[:7]
        + b"\r\nc\r\n"
        + ACCEPTED[7:]
        + b"\r\n0\r\n\r\n",
    ],
)
def test_a_response_may_have_any_form_that_http_allows(accepted: bytes) -> None:
    assert outcome_of(accepted) == (Sent("m-1", "Hi"), 1)


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (b"", "ConnectionClosedError"),
        (b"HTTP/1.1 200 OK\r\ncontent-len", "ReadTimeoutError"),
        (response()[:-5], "ReadTimeoutError"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "ConnectionClosedError"),
    ],
)
def test_a_broken_response_leaves_the_mail_unknown_without_a_retry(broken: bytes, cause: str) -> None:
    assert outcome_of(broken) == (Unknown(cause), 1)


@pytest.mark.parametrize(
    ("status", "kind", "message", "outcome"),
    [
        ("429 Too Many Requests", "TooManyRequestsException", "Maximum sending rate exceeded.", Throttled()),
        ("400 Bad Request", "MessageRejected", "No.", MailRejected("MessageRejected", "No.")),
        ("400 Bad Request", "SendingPausedException", "", NotTaken("SendingPausedException")),
        ("500 Internal Server Error", "InternalFailure", "", Unknown("InternalFailure 500")),
    ],
)
def test_error_responses_of_ses_become_outcomes(status: str, kind: str, message: str, outcome: Outcome) -> None:
    body = msgspec.json.encode({"message": message})
    assert outcome_of(response(body, status, f"x-amzn-ErrorType: {kind}")) == (outcome, 1)


def test_a_refused_connection_means_that_nothing_was_sent() -> None:
    with server(response()) as running:
        port = running.port
    assert mailer_at(port).deliver(MAIL) == NotTaken("EndpointConnectionError")


def test_a_failed_tls_handshake_means_that_nothing_was_sent() -> None:
    with server(response()) as running:
        assert mailer_at(running.port, "https").deliver(MAIL) == NotTaken("EndpointConnectionError")


def test_an_old_claim_is_given_back_instead_of_sent() -> None:
    with server(response()) as running:
        old = msgspec.structs.replace(MAIL, begun=time.monotonic() - TIMES.give_back_after - 1)
        assert mailer_at(running.port).deliver(old) == GIVEN_BACK
        assert running.requests == []
