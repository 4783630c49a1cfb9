"""The SMTP relay over real sockets, with the client of the standard library."""

import asyncio
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from email.message import EmailMessage
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest

from deploy.embedded.ports import free_ports
from libs.runtime.clock import uuid5
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually
from services.gateway.accounts import keys
from services.gateway.accounts.bootstrap import NAMESPACE
from services.gateway.accounts.failed_logins import FAILED_LOGINS
from services.gateway.smtp.session import MAX_BYTES, MAX_RECIPIENTS
from tests.conftest import Stack
from tests.service.gateway.conftest import World, gateway_for

T = TypeVar("T")
SENDER = "team@example.com"


class Relay:
    """A gateway with its relay, and clients for it."""

    def __init__(self, gateway: Runtime, world: World, secret: str, public: str) -> None:
        self.gateway = gateway
        self.world = world
        self.secret = secret
        self.public = public
        self.project: UUID = uuid5(NAMESPACE, secret)

    def connect(self, port: int | None = None) -> smtplib.SMTP:
        """Return a client without TLS after the greeting."""
        client = smtplib.SMTP("127.0.0.1", port or self.gateway.settings.smtp_port or 0, timeout=30)
        client.ehlo()
        return client

    def secured(self) -> smtplib.SMTP:
        client = self.connect()
        client.starttls(context=anything())
        client.ehlo()
        return client

    def login(self, user: str = "godwit", password: str | None = None) -> smtplib.SMTP:
        client = self.secured()
        client.login(user, password or self.secret)
        return client

    def send(self, mail: EmailMessage, to: Sequence[str], client: smtplib.SMTP | None = None) -> tuple[int, str]:
        """Send the message and return the reply."""
        client = client or self.login()
        client.mail(SENDER)
        for address in to:
            client.rcpt(address)
        code, text = client.data(mail.as_bytes())
        client.close()
        return code, text.decode()

    def asked(self) -> list[Any]:
        """Return the mails that delivery was asked to send."""
        return self.world.delivery.done_for(self.project)


def anything() -> ssl.SSLContext:
    """Return a TLS context that trusts every certificate, because the relay's was just generated."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def aside(work: Callable[..., T], *arguments: Any) -> T:
    return await asyncio.wait_for(asyncio.to_thread(work, *arguments), 60)


def a_mail(subject: str = "Hello", text: str = "Hi", **headers: str) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = f"The Team <{SENDER}>"
    mail["Subject"] = subject
    mail["Message-ID"] = f"<{uuid4()}@example.com>"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


@pytest.fixture(scope="module")
async def relay(world: World, stack: Stack) -> AsyncIterator[Relay]:
    secret, public = keys.generate("secret"), keys.generate("public")
    starttls, tls = free_ports(2)
    async with gateway_for(stack, secret, public, smtp_port=starttls, smtps_port=tls) as gateway:
        yield Relay(gateway, world, secret, public)


@pytest.fixture(autouse=True)
def fresh(relay: Relay) -> None:
    relay.world.delivery.seen.clear()


async def test_every_recipient_in_the_envelope_gets_a_mail(relay: Relay) -> None:
    mail = a_mail(To="Ada <ada@example.net>", Cc="bob@example.net", Reply_To="Answers <answers@example.com>")
    code, text = await aside(relay.send, mail, ["ada@example.net", "bob@example.net", "hidden@example.net"])
    assert code == 250
    [order] = relay.asked()
    assert {each.address for each in order.recipients} == {"ada@example.net", "bob@example.net", "hidden@example.net"}
    assert all(str(each.email_id) in text for each in order.recipients)
    content = order.content
    assert (content.from_email, content.from_name) == (SENDER, "The Team")
    assert (content.subject, content.reply_to) == ("Hello", "answers@example.com")


async def test_tls_from_the_start_works(relay: Relay) -> None:
    def send() -> tuple[int, str]:
        client = smtplib.SMTP_SSL("127.0.0.1", relay.gateway.settings.smtps_port or 0, timeout=30, context=anything())
        client.login("plunk", relay.secret)
        return relay.send(a_mail(), ["ada@example.net"], client)

    code, _ = await aside(send)
    assert code == 250 and len(relay.asked()) == 1


async def test_a_login_without_tls_is_rejected(relay: Relay) -> None:
    def in_the_clear() -> list[int]:
        client = relay.connect()
        assert "auth" not in client.esmtp_features
        return [client.docmd("AUTH", "PLAIN AGEAYg==")[0], client.docmd("MAIL", "FROM:<a@example.com>")[0]]

    assert await aside(in_the_clear) == [530, 530]


async def test_a_client_without_a_login_cannot_send(relay: Relay) -> None:
    assert await aside(lambda: relay.secured().mail(SENDER)[0]) == 530


async def test_commands_before_starttls_are_discarded(relay: Relay) -> None:
    def inject() -> bytes:
        with socket.create_connection(("127.0.0.1", relay.gateway.settings.smtp_port or 0), 30) as plain:
            with plain.makefile("rb") as answers:
                answers.readline()
                plain.sendall(b"EHLO me\r\n")
                while not answers.readline().startswith(b"250 "):
                    pass
            plain.sendall(b"STARTTLS\r\nEHLO injected\r\n")
            assert plain.recv(1000).startswith(b"220")
            with anything().wrap_socket(plain) as secured:
                secured.sendall(b"NOOP\r\n")
                return secured.recv(1000)

    assert (await aside(inject)).startswith(b"250 OK")


@pytest.mark.parametrize("user", ["godwit", "Plunk"])
async def test_the_password_is_a_secret_key(relay: Relay, user: str) -> None:
    assert await aside(lambda: relay.login(user).noop()[0]) == 250


async def test_an_unknown_user_or_password_is_rejected(relay: Relay) -> None:
    def rejected() -> list[int]:
        codes = []
        for user, password in (("godwit", "sk_wrong"), ("somebody", relay.secret), ("godwit", relay.public)):
            with pytest.raises(smtplib.SMTPAuthenticationError) as no:
                relay.login(user, password)
            codes.append(no.value.smtp_code)
        return codes

    assert await aside(rejected) == [535, 535, 535]


async def test_login_attempts_are_limited(relay: Relay) -> None:
    def guess() -> list[int]:
        client = relay.secured()
        return [client.docmd("AUTH", "PLAIN AGEAYg==")[0] for _ in range(4)]

    before = FAILED_LOGINS.labels("smtp", "invalid_api_key")._value.get()
    assert await aside(guess) == [535, 535, 535, 421]
    assert FAILED_LOGINS.labels("smtp", "invalid_api_key")._value.get() == before + 3


async def test_a_message_is_answered_once_its_mails_are_committed(relay: Relay) -> None:
    relay.world.delivery.open.clear()
    sending = asyncio.create_task(aside(relay.send, a_mail(), ["ada@example.net"]))
    try:
        await asyncio.wait((sending,), timeout=1)
        assert not sending.done() and not relay.asked()
    finally:
        relay.world.delivery.open.set()
    assert (await sending)[0] == 250
    assert len(relay.asked()) == 1


async def test_a_message_whose_reply_was_lost_is_sent_once(relay: Relay) -> None:
    mail = a_mail()
    first, again = [await aside(relay.send, mail, ["ada@example.net"]) for _ in range(2)]
    assert first == again and first[0] == 250
    assert len(relay.asked()) == 1


async def test_a_message_without_an_identity_may_be_sent_twice(relay: Relay) -> None:
    mail = a_mail()
    del mail["Message-ID"]
    for _ in range(2):
        assert (await aside(relay.send, mail, ["ada@example.net"]))[0] == 250
    assert len(relay.asked()) == 2


async def test_a_rejected_message_gets_the_reason_and_changes_nothing(relay: Relay) -> None:
    code, text = await aside(relay.send, a_mail(), ["refused@example.net"])
    assert (code, text) == (554, "5.6.0 Request validation failed")
    assert relay.asked() == []


async def test_braces_are_sent_as_they_are(relay: Relay) -> None:
    await aside(relay.send, a_mail("100 % {{ off }}", "{% if %} {{ name }}"), ["ada@example.net"])
    [asked] = relay.asked()
    assert asked.content.subject == "{% raw %}100 % {{ off }}{% endraw %}"
    assert "{% raw %}" in asked.content.body


async def test_the_size_limit_is_announced_and_enforced(relay: Relay) -> None:
    def too_large() -> list[int]:
        client = relay.login()
        assert client.esmtp_features["size"] == str(MAX_BYTES)
        codes = [client.mail(SENDER, [f"SIZE={MAX_BYTES + 1}"])[0], client.mail(SENDER)[0]]
        client.rcpt("ada@example.net")
        line = b"x" * 900 + b"\r\n"
        return [*codes, client.data(b"Subject: Hi\r\n\r\n" + line * (MAX_BYTES // 900))[0], client.noop()[0]]

    assert await aside(too_large) == [552, 250, 552, 250]


async def test_an_envelope_may_have_a_hundred_recipients(relay: Relay) -> None:
    def many() -> list[int]:
        client = relay.login()
        client.mail(SENDER)
        return [client.rcpt(f"r{n}@example.net")[0] for n in range(MAX_RECIPIENTS + 1)]

    assert await aside(many) == [250] * MAX_RECIPIENTS + [452]


@pytest.mark.parametrize("address", ["ada@example", "@example.net", "a b@example.net"])
async def test_what_is_no_address_is_refused_at_once(relay: Relay, address: str) -> None:
    def offer() -> int:
        client = relay.login()
        client.mail(SENDER)
        return client.docmd("RCPT", f"TO:<{address}>")[0]

    assert await aside(offer) == 553


async def test_a_stopping_relay_answers_the_messages_it_has_accepted(world: World, stack: Stack) -> None:
    secret = keys.generate("secret")
    [port] = free_ports(1)
    async with gateway_for(stack, secret, keys.generate("public"), smtp_port=port) as gateway:
        relay = Relay(gateway, world, secret, "")
        idle = await aside(relay.login)
        world.delivery.open.clear()
        sending = asyncio.create_task(aside(relay.send, a_mail(), ["ada@example.net"]))
        await asyncio.wait((sending,), timeout=1)
        gateway.stopping.set()
        code, text = await aside(idle.getreply)
        assert code == 421 and b"stopping" in text
        world.delivery.open.set()
        assert (await sending)[0] == 250

        async def closed() -> bool:
            with pytest.raises(OSError):
                await aside(relay.connect)
            return True

        await eventually(closed)
