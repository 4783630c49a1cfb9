"""The way to SES, against a server that misbehaves: each call is one request, and no doubt is taken for a no."""

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
TAKEN = b'{"MessageId":"m-1"}'


def answer(body: bytes = TAKEN, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Server:
    """Answers the requests of each connection from a script, and notes them. An empty answer closes the connection."""

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

    def _talk(self, connection: socket.socket, answers: list[bytes]) -> None:
        with connection, suppress(EOFError):
            for each in answers:
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
    """Raises EOFError when the client is gone, or a thread would ask it for ever."""
    if not (data := connection.recv(65536)):
        raise EOFError
    return data


@contextmanager
def server(*answers: bytes) -> Iterator[Server]:
    """The first connection gets these answers; each further one gets good ones."""
    running = Server(lambda number: list(answers) if number == 1 else [answer()] * 10)
    try:
        yield running
    finally:
        running.close()


def mailer_at(port: int, scheme: str = "http") -> Mailer:
    config = Settings(database_url="", aws_endpoint_url=f"{scheme}://127.0.0.1:{port}", send_concurrency=1)
    client = connect(config, TIMES.connect, TIMES.read)
    return mailer_of(client, config, Links(config.public_url, config.link_key), TIMES)


def outcome_of(*answers: bytes) -> tuple[Outcome, int]:
    """What one call ends in at a server that answers so, and how many requests it made."""
    with server(*answers) as running:
        outcome = mailer_at(running.port).deliver(MAIL)
        return outcome, len(running.requests)


def test_a_call_is_one_signed_request_with_one_answer() -> None:
    with server(answer()) as running:
        assert mailer_at(running.port).deliver(MAIL) == Sent("m-1", "Hi")
    (request,) = running.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v2/email/outbound-emails HTTP/1.1\r\n")
    assert b"Authorization: AWS4-HMAC-SHA256 Credential=" in head and b"SignedHeaders=" in head
    assert f"X-Amz-Content-SHA256: {sha256(body).hexdigest()}".encode() in head
    assert msgspec.json.decode(body)["Destination"] == {"ToAddresses": ["ann@example.net"]}


def test_calls_share_a_connection() -> None:
    with server(answer(), answer(), answer()) as running:
        ses = mailer_at(running.port)
        assert [ses.deliver(MAIL) for _ in range(3)] == [Sent("m-1", "Hi")] * 3
        assert running.connections == 1


@pytest.mark.parametrize(("last", "until_closed"), [(answer(), 2.2), (answer(TAKEN, "200 OK", "connection: close"), 0)])
def test_a_connection_that_the_other_side_closed_is_replaced(last: bytes, until_closed: float) -> None:
    with server(last) as running:
        ses = mailer_at(running.port)
        ses.deliver(MAIL)
        time.sleep(until_closed)
        assert ses.deliver(MAIL) == Sent("m-1", "Hi")
        assert (running.connections, len(running.requests)) == (2, 2)


@pytest.mark.parametrize(
    "taken",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n"
        + TAKEN[:7]
        + b"\r\nc\r\n"
        + TAKEN[7:]
        + b"\r\n0\r\n\r\n",
    ],
)
def test_an_answer_may_come_in_any_shape_that_http_allows(taken: bytes) -> None:
    assert outcome_of(taken) == (Sent("m-1", "Hi"), 1)


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (b"", "ConnectionClosedError"),
        (b"HTTP/1.1 200 OK\r\ncontent-len", "ReadTimeoutError"),
        (answer()[:-5], "ReadTimeoutError"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "ConnectionClosedError"),
    ],
)
def test_a_broken_answer_leaves_the_mail_unknown_and_is_not_asked_for_again(broken: bytes, cause: str) -> None:
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
def test_errors_of_ses_are_understood(status: str, kind: str, message: str, outcome: Outcome) -> None:
    body = msgspec.json.encode({"message": message})
    assert outcome_of(answer(body, status, f"x-amzn-ErrorType: {kind}")) == (outcome, 1)


def test_where_nobody_listens_nothing_was_sent() -> None:
    with server(answer()) as running:
        port = running.port
    assert mailer_at(port).deliver(MAIL) == NotTaken("EndpointConnectionError")


def test_where_tls_fails_nothing_was_sent() -> None:
    with server(answer()) as running:
        assert mailer_at(running.port, "https").deliver(MAIL) == NotTaken("EndpointConnectionError")


def test_a_claim_that_has_grown_old_is_given_back_instead_of_sent() -> None:
    with server(answer()) as running:
        old = msgspec.structs.replace(MAIL, begun=time.monotonic() - TIMES.give_back_after - 1)
        assert mailer_at(running.port).deliver(old) == GIVEN_BACK
        assert running.requests == []
