"""SMTP in, SES out: smtplib submits a message to the relay, and the sandbox receives the mail."""

import asyncio
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_string
from email.message import EmailMessage
from email.policy import SMTP, default
from typing import TypeVar
from uuid import uuid4

import pytest

from deploy.demo.api import Api
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.e2e.story import mails_to

Answer = TypeVar("Answer")
SENDER = "team@example.com"
PICTURE, PAPER = b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"%PDF-1.7\n" + bytes(200)
MEGABYTE = 1024 * 1024


class Client:
    """How a program connects to the relay: through either of its ports."""

    def __init__(self, port: int, key: str, *, tls: bool) -> None:
        self._port, self._key, self._tls = port, key, tls
        self._trusting = ssl.create_default_context()
        self._trusting.check_hostname = False
        self._trusting.verify_mode = ssl.CERT_NONE  # the relay creates its certificate when it starts

    @contextmanager
    def connected(self) -> Iterator[smtplib.SMTP]:
        if self._tls:
            with smtplib.SMTP_SSL("127.0.0.1", self._port, timeout=30, context=self._trusting) as client:
                yield client
            return
        with smtplib.SMTP("127.0.0.1", self._port, timeout=30) as client:
            client.starttls(context=self._trusting)
            yield client

    @contextmanager
    def session(self, password: str | None = None) -> Iterator[smtplib.SMTP]:
        with self.connected() as client:
            client.login("godwit", password or self._key)
            yield client

    def hand_in(self, mail: EmailMessage, to: list[str]) -> str:
        """Submit the message, and return the relay's reply. Raise what smtplib raises."""
        with self.session() as client:
            client.mail(SENDER)
            for address in to:
                client.rcpt(address)
            code, text = client.data(mail.as_bytes(policy=SMTP))
        assert code == 250, text
        return text.decode()


async def aside(work: Callable[..., Answer], *arguments: object) -> Answer:
    return await asyncio.wait_for(asyncio.to_thread(work, *arguments), 60)


@pytest.fixture(params=["STARTTLS", "TLS"])
def client(request: pytest.FixtureRequest, target: Target, smtp_ports: tuple[int, int]) -> Client:
    tls = request.param == "TLS"
    return Client(smtp_ports[tls], target.secret_key, tls=tls)


@pytest.fixture
def starttls(target: Target, smtp_ports: tuple[int, int]) -> Client:
    return Client(smtp_ports[0], target.secret_key, tls=False)


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = f"The Team <{SENDER}>"
    mail["Message-ID"] = f"<{uuid4()}@example.com>"
    mail["Subject"] = "Grüße, {{ nobody }}"
    return mail


def an_address(who: str) -> str:
    return f"{who}.{uuid4().hex[:12]}@example.net"


async def arrived(api: Api, address: str) -> EmailMessage:
    """Wait for the mail to this address in SES, and return it parsed."""
    [mail] = await eventually(lambda: mails_to(api, address), 30)
    read = message_from_string(mail["raw"], policy=default)
    assert isinstance(read, EmailMessage)
    return read


async def test_a_message_reaches_every_recipient_unchanged(api: Api, client: Client) -> None:
    ada, bob, hidden = an_address("ada"), an_address("bob"), an_address("hidden")
    mail = a_mail()
    mail["To"] = f"Ada Lövelace <{ada}>, someone.else@example.org"
    mail["Cc"] = bob
    mail["Bcc"] = hidden
    mail["Reply-To"] = "Answers <answers@example.com>"
    mail["X-Order"] = "1234"
    mail["References"] = "<before@example.com>"
    mail.set_content("Plain {{ words }}")
    mail.add_alternative('<p>Look: <img src="cid:logo"> {{ words }}</p>', subtype="html")
    _, html = mail.iter_parts()
    assert isinstance(html, EmailMessage)
    html.add_related(PICTURE, "image", "png", cid="<logo>", filename="logo.png", disposition="inline")
    mail.add_attachment(PAPER, maintype="application", subtype="pdf", filename="Rechnung für März.pdf")
    queued = await aside(client.hand_in, mail, [ada, bob, hidden])
    for address in (ada, bob, hidden):
        out = await arrived(api, address)
        assert out["X-Godwit-Email"] in queued
        assert str(out["From"]) == f"The Team <{SENDER}>" and str(out["Subject"]) == "Grüße, {{ nobody }}"
        assert str(out["To"]) == f"Ada Lövelace <{ada}>, someone.else@example.org" and str(out["Cc"]) == bob
        assert out["Bcc"] is None and (address == hidden or hidden not in out.as_string())
        assert (str(out["Reply-To"]), out["X-Order"]) == ("answers@example.com", "1234")
        assert out["References"] == "<before@example.com>"
        picture, paper = (part for part in out.walk() if part.get_filename())
        assert (picture["Content-ID"], picture.get_content_disposition()) == ("<logo>", "inline")
        assert picture.get_payload(decode=True) == PICTURE
        assert (paper.get_filename(), paper.get_payload(decode=True)) == ("Rechnung für März.pdf", PAPER)
        shown = out.get_body(("html",))
        assert shown is not None and 'src="cid:logo"' in shown.get_content() and "{{ words }}" in shown.get_content()


async def test_a_message_without_recipient_headers_is_addressed_to_its_recipient(api: Api, starttls: Client) -> None:
    ada, bob = an_address("ada"), an_address("bob")
    mail = a_mail()
    mail.set_content("Hi")
    await aside(starttls.hand_in, mail, [ada, bob])
    for address in (ada, bob):
        out = await arrived(api, address)
        assert (str(out["To"]), out["Cc"]) == (address, None)


async def test_a_message_accepted_with_250_is_in_the_ledger(api: Api, starttls: Client) -> None:
    mail, ada = a_mail(), an_address("ada")
    mail.set_content("Hi")
    queued = await aside(starttls.hand_in, mail, [ada])
    [mail_id] = [word.strip(",") for word in queued.split() if word.count("-") == 4]
    assert (await api.get(f"/emails/{mail_id}"))["recipient"] == ada


async def test_a_wrong_password_is_rejected(client: Client) -> None:
    def wrong() -> int:
        with pytest.raises(smtplib.SMTPAuthenticationError) as no, client.session("sk_wrong"):
            pass
        return no.value.smtp_code

    assert await aside(wrong) == 535


async def test_a_message_that_is_too_large_is_rejected_before_and_after_its_upload(starttls: Client) -> None:
    def too_large() -> list[int]:
        with starttls.session() as client:
            codes = [client.mail(SENDER, ["SIZE=16000000"])[0], client.mail(SENDER)[0]]
            client.rcpt("ada@example.net")
            line = b"x" * 900 + b"\r\n"
            return [*codes, client.data(b"Subject: Hi\r\n\r\n" + line * (16 * MEGABYTE // 900))[0]]

    assert await aside(too_large) == [552, 250, 552]


async def test_too_many_recipients_are_rejected_and_the_others_accepted(starttls: Client) -> None:
    def many() -> list[int]:
        with starttls.session() as client:
            client.mail(SENDER)
            return [client.rcpt(f"r{n}@example.net")[0] for n in range(101)]

    assert await aside(many) == [250] * 100 + [452]


async def test_a_domain_of_another_project_is_rejected_and_nothing_is_sent(api: Api, starttls: Client) -> None:
    mail, ada = a_mail(), an_address("ada")
    mail.replace_header("From", "Stranger <me@stranger.example>")
    mail.set_content("Hi")

    def refused() -> tuple[int, bytes]:
        with pytest.raises(smtplib.SMTPDataError) as no, starttls.session() as client:
            client.sendmail(SENDER, [ada], mail.as_bytes(policy=SMTP))
        error = no.value.smtp_error
        return no.value.smtp_code, error if isinstance(error, bytes) else error.encode()

    code, text = await aside(refused)
    assert code == 550 and text.startswith(b"5.7.1")
    assert (await api.get("/emails", to=ada))["data"] == []
