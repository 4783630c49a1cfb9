"""Why the SES transport is written by hand, and what it relies on in botocore.

botocore's own HTTP layer has two shortcomings. It does not tell whether any of a request was sent: after a failed TLS
handshake it raises SSLError, as it does if a connection breaks later, so that mail would count as unknown and might be
sent twice. And it costs too much: measured with botocore 1.44.5 on CPython 3.11, SendEmail takes about 650 microseconds
of CPU per call, and about 200 with our transport. All calls of a process share the interpreter with everything else.

If a test here fails after an update, compare `services.delivery.ses.transport` with `BaseClient._make_api_call` and
`SigV4Auth` of the new version, and measure again. If botocore has become as fast and as precise, delete the transport.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import EndpointConnectionError, SSLError

from services.delivery.ses.transport import SesTransport

NOWHERE = "http://127.0.0.1:9"
REQUEST: dict[str, Any] = {
    "FromEmailAddress": "news@example.com",
    "Destination": {"ToAddresses": ["ann@example.net"]},
    "Content": {"Raw": {"Data": b"Hi"}},
}


def client(endpoint: str = NOWHERE) -> Any:
    """Return a client of SES that uses botocore's own HTTP layer."""
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=1, read_timeout=1)
    session = boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    return session.client("sesv2", endpoint_url=endpoint, config=config)


class Body:
    """The raw response that a transport gives to AWSResponse."""

    def stream(self) -> Iterator[bytes]:
        return iter([b'{"Message', b'Id":"m-1"}'])


def test_the_locked_versions_are_those_that_the_transport_was_written_for() -> None:
    assert (version("botocore"), version("httptools")) == ("1.44.5", "0.9.0")


def test_a_handler_of_before_call_gets_the_request_and_replaces_the_http_layer() -> None:
    seen: dict[str, Any] = {}

    def answer(**arguments: Any) -> tuple[AWSResponse, dict[str, str]]:
        seen.update(arguments)
        return AWSResponse(arguments["params"]["url"], 200, HTTPHeaders(), Body()), {"MessageId": "m-1"}

    ses = client()
    ses.meta.events.register("before-call.sesv2", answer)
    assert ses.send_email(**REQUEST)["MessageId"] == "m-1"
    assert {"model", "params", "request_signer", "context"} <= seen.keys()
    assert (seen["params"]["method"], seen["params"]["url"]) == ("POST", f"{NOWHERE}/v2/email/outbound-emails")
    assert isinstance(seen["params"]["body"], bytes)
    signer = seen["request_signer"]
    assert isinstance(signer.get_auth(signer.signing_name, signer.region_name, "v4"), SigV4Auth)


def test_the_content_of_a_response_is_what_its_raw_response_streams() -> None:
    assert AWSResponse(NOWHERE, 200, HTTPHeaders(), Body()).content == b'{"MessageId":"m-1"}'


def test_a_digest_in_the_headers_is_signed_instead_of_being_computed_again() -> None:
    body = b"{}"
    request = AWSRequest(method="POST", url=NOWHERE, headers={}, data=body)
    request.headers["X-Amz-Content-SHA256"] = digest = sha256(b"anything").hexdigest()
    auth = SigV4Auth(Credentials("test", "test"), "ses", "us-east-1")
    assert auth.canonical_request(request).endswith(digest)


@pytest.fixture
def hanging_up() -> Iterator[int]:
    """Yield the port of a server that closes every connection at once."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                server.accept()[0].close()

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_only_our_transport_tells_that_a_failed_tls_handshake_sent_nothing(hanging_up: int) -> None:
    endpoint = f"https://127.0.0.1:{hanging_up}"
    with pytest.raises(SSLError):
        client(endpoint).send_email(**REQUEST)
    ours = client(endpoint)
    ours.meta.events.register("before-call.sesv2", SesTransport(1.0, 1.0).call)
    with pytest.raises(EndpointConnectionError):
        ours.send_email(**REQUEST)
