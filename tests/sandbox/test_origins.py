"""Pages in a browser on this machine cannot use the sandbox: neither those of other sites nor rebound names."""

import http.client
from uuid import uuid4

import pytest

from tests.sandbox.running import Sandbox

OWN_NAMES = ("127.0.0.1", "localhost", "LOCALHOST", "[::1]")
PATHS = (("GET", "/"), ("GET", "/sandbox/messages"), ("POST", "/sandbox/faults"), ("DELETE", "/sandbox/messages"))


def ask(sandbox: Sandbox, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=5)
    try:
        connection.putrequest(method, path, skip_host=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1.evil.example:{port}"]
)
def test_a_foreign_host_is_refused(sandbox: Sandbox, method: str, path: str, host: str) -> None:
    status, body = ask(sandbox, method, path, {"Host": host.format(port=sandbox.port)})
    assert status == 403 and b"is not allowed" in body


@pytest.mark.parametrize(("method", "path"), PATHS)
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost"])
def test_a_foreign_origin_is_refused(sandbox: Sandbox, method: str, path: str, origin: str) -> None:
    headers = {"Host": f"127.0.0.1:{sandbox.port}", "Origin": origin}
    status, body = ask(sandbox, method, path, headers)
    assert status == 403 and b"is not allowed" in body


@pytest.mark.parametrize("name", OWN_NAMES)
def test_its_own_names_are_served(sandbox: Sandbox, name: str) -> None:
    own = f"{name}:{sandbox.port}"
    assert ask(sandbox, "GET", "/livez", {"Host": own})[0] == 200
    assert ask(sandbox, "GET", f"/sandbox/messages?to={uuid4()}", {"Host": own, "Origin": f"http://{own}"})[0] == 200


def test_a_request_without_a_host_is_refused(sandbox: Sandbox) -> None:
    assert ask(sandbox, "GET", "/", {})[0] in (400, 403)
