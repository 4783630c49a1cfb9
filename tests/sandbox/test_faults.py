"""Planted faults: what the client sees, and whether SES has the email nevertheless."""

import socket
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from tests.sandbox.conftest import StartSandbox
from tests.sandbox.running import Sandbox, Subscriber, unique_address


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    sandbox = Sandbox(tmp_path_factory.mktemp("faulty"))
    yield sandbox
    sandbox.stop()


@pytest.mark.parametrize(
    ("fault", "status", "code", "message"),
    [
        ("throttle", 429, "TooManyRequestsException", "Maximum sending rate exceeded."),
        ("error_500", 500, "InternalServiceErrorException", None),
        ("reject", 400, "MessageRejected", None),
    ],
)
def test_a_rejecting_fault_returns_an_error_and_accepts_nothing(
    faulty: Sandbox, fault: str, status: int, code: str, message: str | None
) -> None:
    to = unique_address()
    faulty.post("/sandbox/faults", {"fault": fault, "rate": 1.0, "count": 1})
    with pytest.raises(ClientError) as error:
        faulty.send(to)
    answer = error.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == status
    assert answer["Error"]["Code"] == code
    assert message is None or answer["Error"]["Message"] == message
    assert faulty.messages(f"to={to}") == []
    assert faulty.send(to), "a fault with a count of 1 strikes once"


def test_a_fault_for_a_tag_spares_all_other_calls(faulty: Sandbox) -> None:
    faulty.post("/sandbox/faults", {"fault": "reject", "count": 1, "tags": {"godwit_email": "one"}})
    assert faulty.send(unique_address())
    assert faulty.send(unique_address(), email_id="another")
    with pytest.raises(ClientError):
        faulty.send(unique_address(), email_id="one")
    assert faulty.send(unique_address(), email_id="one")


def test_hang_gives_no_response_and_accepts_nothing(faulty: Sandbox) -> None:
    to = unique_address()
    faulty.post("/sandbox/faults", {"fault": "hang", "count": 1})
    with pytest.raises(ReadTimeoutError):
        faulty.send(to)
    assert faulty.messages(f"to={to}") == []


def test_timeout_after_accept_gives_no_response_but_ses_has_the_email(faulty: Sandbox) -> None:
    to = unique_address()
    faulty.post("/sandbox/faults", {"fault": "timeout_after_accept", "count": 1})
    with pytest.raises(ReadTimeoutError):
        faulty.send(to)
    assert len(faulty.messages(f"to={to}")) == 1


def test_reset_after_accept_resets_the_connection_but_ses_has_the_email(faulty: Sandbox) -> None:
    to = unique_address()
    faulty.post("/sandbox/faults", {"fault": "reset_after_accept", "count": 1})
    with pytest.raises(ConnectionClosedError):
        faulty.send(to)
    assert len(faulty.messages(f"to={to}")) == 1


def test_the_reset_is_a_tcp_reset(faulty: Sandbox) -> None:
    faulty.post("/sandbox/faults", {"fault": "reset_after_accept", "count": 1})
    body = (
        b'{"FromEmailAddress":"a@example.com","Destination":{"ToAddresses":["b@example.com"]},'
        b'"Content":{"Simple":{"Subject":{"Data":"Hi"},"Body":{"Text":{"Data":"Hi"}}}}}'
    )
    host = b"Host: 127.0.0.1:%d\r\n" % faulty.port
    head = b"POST /v2/email/outbound-emails HTTP/1.1\r\n" + host + b"Authorization: AWS4-HMAC-SHA256 x\r\n"
    with socket.create_connection(("127.0.0.1", faulty.port), timeout=5) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_faults_can_be_listed_and_cleared(faulty: Sandbox) -> None:
    faulty.post("/sandbox/faults", {"fault": "throttle", "rate": 0.5})
    listed = faulty.post("/sandbox/faults", {"fault": "reject", "count": 3})
    assert listed["faults"] == [
        {"fault": "throttle", "rate": 0.5, "count": None, "tags": {}},
        {"fault": "reject", "rate": 1.0, "count": 3, "tags": {}},
    ]
    assert faulty.delete("/sandbox/faults")["faults"] == []
    assert faulty.send(unique_address())


def test_a_rate_strikes_some_calls_and_spares_others(faulty: Sandbox) -> None:
    faulty.post("/sandbox/faults", {"fault": "reject", "rate": 0.5})
    outcomes = {_is_accepted(faulty) for _ in range(60)}
    faulty.delete("/sandbox/faults")
    assert outcomes == {True, False}


def test_a_message_accepted_under_a_fault_is_reported_nevertheless(telling: Sandbox, subscriber: Subscriber) -> None:
    to = unique_address()
    telling.post("/sandbox/faults", {"fault": "reset_after_accept", "count": 1})
    with pytest.raises(ConnectionClosedError):
        telling.send(to, email_id="lost-answer")
    (mail,) = telling.messages(f"to={to}")
    events = subscriber.wait_for(mail["id"], "Send", "Delivery")
    assert {event["mail"]["tags"]["godwit_email"][0] for event in events} == {"lost-answer"}


def test_a_hanging_call_does_not_keep_the_sandbox_from_stopping(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox()
    sandbox.post("/sandbox/faults", {"fault": "hang"})
    with pytest.raises(ReadTimeoutError):
        sandbox.send(unique_address())
    sandbox.process.terminate()
    assert sandbox.process.wait(2) == 0


def _is_accepted(sandbox: Sandbox) -> bool:
    try:
        return bool(sandbox.send(unique_address()))
    except ClientError:
        return False
