"""No message and no socket of an SMTP client costs others anything (S-15, S-17).

The attacker is a project of its own at one address of the loopback range, the victim another project at another one.
"""

import asyncio
import os
import resource
import smtplib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.policy import SMTP
from pathlib import Path

import pytest

from deploy.embedded.ports import free_ports
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually
from services.gateway.accounts import keys
from services.gateway.smtp import connections, parsing_pool, session
from services.gateway.smtp.message_limits import MAX_ADDRESSES, MAX_DEPTH, MAX_FIELD_BYTES, MAX_FIELDS, MAX_PARTS
from services.gateway.smtp.message_reader import UploadDeadline
from services.gateway.smtp.session import MAX_BYTES
from tests.conftest import Stack
from tests.service.gateway.conftest import World, create_project, gateway_for
from tests.service.gateway.test_smtp import a_mail, anything, aside

ATTACKER, VICTIM = "127.0.0.1", "127.0.0.2"
SENDER = "team@example.com"
STATM = Path("/proc/self/statm")


class Relay:
    """A relay, and a client of it."""

    def __init__(self, gateway: Runtime, attacker: str, victim: str) -> None:
        self.ports = gateway.settings.smtp_port or 0, gateway.settings.smtps_port or 0
        self.attacker = attacker
        self.victim = victim

    def login(self, secret: str, address: str = ATTACKER) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.ports[0], timeout=30, source_address=(address, 0))
        client.starttls(context=anything())
        client.login("godwit", secret)
        return client

    def send(self, content: bytes, secret: str = "", address: str = ATTACKER) -> tuple[int, str]:
        """Send a message of the attacker, unless another secret key is given. Return the reply."""
        client = self.login(secret or self.attacker, address)
        code, text = begin_data(client)
        assert code == 354, text
        client.send(content.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")
        code, text = client.getreply()
        client.close()
        return code, text.decode()

    async def serves_victim(self) -> bool:
        """Whether a well-behaved client gets its message through."""
        code, _ = await aside(self.send, a_mail().as_bytes(), self.victim, VICTIM)
        return code == 250


def begin_data(client: smtplib.SMTP) -> tuple[int, bytes]:
    client.mail(SENDER)
    client.rcpt("ada@example.net")
    return client.docmd("DATA")


@pytest.fixture(scope="module")
async def relay(world: World, stack: Stack) -> AsyncIterator[Relay]:
    attacker, victim = keys.generate("secret"), keys.generate("secret")
    starttls, tls = free_ports(2)
    async with gateway_for(stack, attacker, keys.generate("public"), smtp_port=starttls, smtps_port=tls) as gateway:
        await create_project(gateway, victim, keys.generate("public"))
        yield Relay(gateway, attacker, victim)


# --- messages ---------------------------------------------------------------------------------------------------------


def folded(name: str, piece: str, size: int) -> bytes:
    """A field of so many bytes, in lines of usual length."""
    lines = [piece * (900 // len(piece))] * (size // 900 + 1)
    return f"{name}: ".encode() + "\r\n ".join(lines).encode() + b"\r\n"


def nested(depth: int) -> bytes:
    opened = [f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth)]
    return "".join(opened).encode() + b"\r\nHi\r\n"


def of_parts(count: int) -> bytes:
    return b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n' + b"--x\r\n\r\n\r\n" * count + b"--x--\r\n"


HOSTILE = {
    "a subject of 200 KB": (folded("Subject", "a ", 200_000), 552, "header field too long (limit: 16 KiB)"),
    "a recipient line of 99 KB": (folded("To", "a@example.net, ", 99_000), 552, "header field too long"),
    "a header of 70 KB": (folded("X-A", "b", 9_000) * 8 + b"\r\nHi", 552, "message header too large (limit: 64 KiB)"),
    "a field of 20 KB": (folded("Subject", "(", MAX_FIELD_BYTES + 4000) + b"\r\nHi", 552, "header field too long"),
    "many fields": (b"X: y\r\n" * (MAX_FIELDS + 1) + b"\r\nHi", 554, "too many header fields (limit: 1000)"),
    "many senders": (
        folded("From", "a@b.cd, ", 8 * MAX_ADDRESSES + 900) + b"\r\nHi",
        554,
        "too many addresses in From",
    ),
    "300,000 parts": (of_parts(300_000), 554, f"too many MIME parts (limit: {MAX_PARTS})"),
    "deep nesting": (nested(MAX_DEPTH + 1), 554, f"nested too deeply (limit: {MAX_DEPTH})"),
    "attached messages": (b"Content-Type: message/rfc822\r\n\r\n" * 3000, 554, "nested too deeply"),
    "reports": (b"Content-Type: message/delivery-status\r\n\r\n" + b"a: b\r\n\r\n" * 3000, 554, "too many MIME parts"),
    "a part's field": (
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" + folded("Content-Disposition", "; a=b", 99_000),
        552,
        "too",
    ),
    "a long line": (b"Subject: Hi\r\n\r\n" + b"x" * 5000, 500, "line too long (limit: 998 bytes)"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_message_is_refused_with_the_reason_before_it_is_parsed(relay: Relay, name: str) -> None:
    content, code, reason = HOSTILE[name]
    reply = await aside(relay.send, content)
    assert reply[0] == code and reason in reply[1], reply
    assert await relay.serves_victim()


async def test_a_message_that_takes_too_long_is_refused_and_delays_nobody(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parsing_pool, "SECONDS", 1.0)
    fields = [folded(name, ".", 15_000) for name in ("From", "Reply-To", "To", "Cc")]
    attack = asyncio.create_task(aside(relay.send, b"".join(fields) + b"\r\nHi\r\n"))
    await asyncio.sleep(0.2)
    assert await relay.serves_victim()
    code, text = await attack
    assert code == 554 and "too much time or memory" in text
    assert await relay.serves_victim()


async def test_the_memory_of_hostile_messages_is_given_back(relay: Relay) -> None:
    lines = b"Subject: Hi\r\n\r\n" + b"\r\n" * (MAX_BYTES // 2 - 100)
    usual = b"Subject: Hi\r\n\r\n" + (b"x" * 76 + b"\r\n") * (MAX_BYTES // 80)
    await aside(relay.send, usual)  # what the allocator keeps anyway
    before = memory()
    async with peak_memory() as peak:
        for content in (lines, HOSTILE["a subject of 200 KB"][0], HOSTILE["300,000 parts"][0]):
            await aside(relay.send, content)
    assert max(peak) - before < 12 * MAX_BYTES
    assert memory() < 1.1 * before + MAX_BYTES
    assert await relay.serves_victim()


def memory() -> int:
    return int(STATM.read_text().split()[1]) * resource.getpagesize()


@asynccontextmanager
async def peak_memory() -> AsyncIterator[list[int]]:
    """Measure the memory of this process, the gateway's too, during the block."""
    measured: list[int] = []

    async def measure() -> None:
        while True:
            measured.append(memory())
            await asyncio.sleep(0.02)

    task = asyncio.create_task(measure())
    try:
        yield measured
    finally:
        task.cancel()


async def test_a_message_with_all_the_attachments_that_are_allowed_is_read(relay: Relay) -> None:
    mail = a_mail()
    mail.add_attachment(os.urandom(10_000_000), "application", "octet-stream", filename="a.bin")
    code, text = await aside(relay.send, mail.as_bytes(policy=SMTP))
    assert code == 250, text


# --- sockets ----------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def silent(port: int, count: int, addresses: int = 1) -> AsyncIterator[list[socket.socket]]:
    """So many sockets that say nothing, of so many addresses beside the victim's."""
    opened = await aside(
        lambda: [
            socket.create_connection(("127.0.0.1", port), 10, source_address=(f"127.0.1.{1 + n % addresses}", 0))
            for n in range(count)
        ]
    )
    try:
        yield opened
    finally:
        for each in opened:
            each.close()


@pytest.mark.parametrize("tls", [False, True], ids=["starttls", "tls"])
async def test_silent_sockets_of_one_address_leave_room_for_others(relay: Relay, tls: bool) -> None:
    async with silent(relay.ports[tls], connections.MAX_SESSIONS_PER_PEER + 130):
        await asyncio.sleep(0.5)
        assert connections.SMTP_SESSIONS._value.get() <= connections.MAX_SESSIONS_PER_PEER + 5
        assert await relay.serves_victim()


@pytest.mark.parametrize("tls", [False, True], ids=["starttls", "tls"])
async def test_silent_sockets_of_many_addresses_leave_room_for_others(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, tls: bool
) -> None:
    monkeypatch.setattr(connections, "MAX_SESSIONS", 50)
    async with silent(relay.ports[tls], 80, addresses=40):
        await asyncio.sleep(0.5)
        assert await relay.serves_victim()


async def test_silent_sockets_are_closed(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOGIN_SECONDS", 0.5)
    async with silent(relay.ports[0], 20):
        await eventually(no_sessions)


async def test_a_client_that_stops_in_the_handshake_is_closed(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "LOGIN_SECONDS", 0.5)
    async with silent(relay.ports[0], 5) as opened:
        for each in opened:
            each.sendall(b"EHLO me\r\nSTARTTLS\r\n")
        await eventually(no_sessions)


async def no_sessions() -> bool:
    count: float = connections.SMTP_SESSIONS._value.get()
    return count == 0


async def test_a_project_has_a_share_of_the_connections(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_SESSIONS_PER_PROJECT", 3)
    held = [await aside(relay.login, relay.attacker) for _ in range(3)]
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        await aside(relay.login, relay.attacker)
    assert refused.value.smtp_code == 454
    assert await relay.serves_victim()
    for client in held:
        client.close()


async def test_messages_that_never_end_take_the_places_of_one_project_only(relay: Relay) -> None:
    held = [await aside(relay.login, relay.attacker) for _ in range(connections.MAX_MESSAGES_PER_PROJECT)]
    for client in held:
        assert (await aside(begin_data, client))[0] == 354
    waiting = await aside(relay.login, relay.attacker)
    began = asyncio.create_task(aside(begin_data, waiting))
    assert await relay.serves_victim()
    assert not began.done()
    for client in held:
        client.close()
    assert (await began)[0] == 354
    waiting.close()


@pytest.mark.parametrize(
    ("limit", "pause"), [("PAUSE_SECONDS", 60.0), ("START_SECONDS", 0.1)], ids=["a pause", "a drip"]
)
async def test_a_message_must_arrive_in_time(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, limit: str, pause: float
) -> None:
    monkeypatch.setattr(UploadDeadline, limit, 0.5)
    client = await aside(relay.login, relay.attacker)
    await aside(begin_data, client)
    assert await aside(lambda: drips(client, b"a", pause)) == 421


async def test_a_connection_ends_however_much_its_client_says(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "SESSION_SECONDS", 1.0)
    client = await aside(relay.login, relay.attacker)

    def last_reply() -> int:
        while (code := client.noop()[0]) == 250:
            pass
        return code

    assert await aside(last_reply) == 421


def drips(client: smtplib.SMTP, piece: bytes, pause: float) -> int:
    """Send a piece after each pause until the relay answers. Return its reply."""
    assert client.sock is not None
    client.sock.settimeout(pause)
    for _ in range(100):
        client.send(piece)
        with suppress(TimeoutError):
            return int(client.sock.recv(1000)[:3])
    return 0
