"""Headers are read and written exactly as nats-py reads and writes them."""

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


class Line:
    """Where a client would send: remembers what."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.client = Client()
        client: Any = self.client
        client._send_command = self._take

    async def _take(self, order: bytes) -> None:
        self.sent.append(bytes(order))


async def outcome(line: Line, send: Any, subject: str, headers: dict[str, str] | None) -> tuple[Any, dict[str, int]]:
    try:
        await send(subject, "_INBOX.1", b"body", 4, headers)
    except (BadHeaderError, BadSubjectError, UnicodeEncodeError) as refused:
        return type(refused), line.client.stats
    return line.sent, line.client.stats


@given(st.lists(LINES, max_size=8))
def test_what_is_read_is_what_nats_py_reads(lines: list[bytes]) -> None:
    block = b"\r\n".join(lines)
    assert parse(block) == Client._parse_header_lines(block)


@given(st.one_of(st.none(), st.dictionaries(NAMES, VALUES, max_size=6)), st.sampled_from(["evt.x", ""]))
async def test_what_is_written_is_what_nats_py_writes(headers: dict[str, str] | None, subject: str) -> None:
    ours, theirs = Line(), Line()

    async def send(*arguments: Any) -> None:
        await _send(ours.client, *arguments)

    assert await outcome(ours, send, subject, headers) == await outcome(
        theirs, theirs.client._send_publish, subject, headers
    )


async def test_a_lightened_client_sends_and_reads_so() -> None:
    line = Line()
    use_fast_headers(line.client)
    await line.client._send_publish("evt.x", "", b"", 0, {"A": "b"})
    [order] = line.sent
    assert order == b"HPUB evt.x  18 18\r\nNATS/1.0\r\nA: b\r\n\r\n\r\n"
    assert await line.client._process_headers(b"NATS/1.0\r\nA: b\r\n\r\n") == {"A": "b"}
    with pytest.raises(BadHeaderError):
        await line.client._send_publish("evt.x", "", b"", 0, {"two words": ""})
