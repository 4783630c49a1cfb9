"""Headers are parsed and serialized exactly as nats-py does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import BadHeaderError, BadSubjectError

from libs.runtime.messaging.headers import _send, parse, use_fast_headers

LINES = st.one_of(
    st.binary(max_size=40),
    st.builds(lambda name, value: name + b":" + value, st.binary(max_size=12), st.binary(max_size=12)),
    st.sampled_from([b"", b":", b"a b: c", b" Name :\tvalue ", b"Nats-Msg-Id: 7", b"caf\xc3\xa9: x", b"x: \xff"]),
)
NAMES = st.one_of(
    st.text(max_size=8), st.sampled_from(["Nats-Msg-Id", " godwit-project ", "", " ", "a:b", "ce-id\n", "x y"])
)
VALUES = st.one_of(st.text(max_size=20), st.sampled_from(["", " a ", "two\r\nlines", "\n", "ü\u2028", "\x00"]))


class RecordingClient:
    """A client that records what it would send."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.client = Client()
        client: Any = self.client
        client._send_command = self._record

    async def _record(self, sent: bytes) -> None:
        self.sent.append(bytes(sent))


async def outcome(
    client: RecordingClient, send: Any, subject: str, headers: dict[str, str] | None
) -> tuple[Any, dict[str, int]]:
    try:
        await send(subject, "_INBOX.1", b"body", 4, headers)
    except (BadHeaderError, BadSubjectError, UnicodeEncodeError) as error:
        return type(error), client.client.stats
    return client.sent, client.client.stats


@given(st.lists(LINES, max_size=8))
def test_headers_are_parsed_as_by_nats_py(lines: list[bytes]) -> None:
    block = b"\r\n".join(lines)
    assert parse(block) == Client._parse_header_lines(block)


@given(st.one_of(st.none(), st.dictionaries(NAMES, VALUES, max_size=6)), st.sampled_from(["evt.x", ""]))
async def test_headers_are_serialized_as_by_nats_py(headers: dict[str, str] | None, subject: str) -> None:
    ours, theirs = RecordingClient(), RecordingClient()

    async def send(*arguments: Any) -> None:
        await _send(ours.client, *arguments)

    assert await outcome(ours, send, subject, headers) == await outcome(
        theirs, theirs.client._send_publish, subject, headers
    )


async def test_a_client_with_fast_headers_sends_and_receives_messages() -> None:
    line = RecordingClient()
    use_fast_headers(line.client)
    await line.client._send_publish("evt.x", "", b"", 0, {"A": "b"})
    [sent] = line.sent
    assert sent == b"HPUB evt.x  18 18\r\nNATS/1.0\r\nA: b\r\n\r\n\r\n"
    assert await line.client._process_headers(b"NATS/1.0\r\nA: b\r\n\r\n") == {"A": "b"}
    with pytest.raises(BadHeaderError):
        await line.client._send_publish("evt.x", "", b"", 0, {"two words": ""})
