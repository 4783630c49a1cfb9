"""Messages of SMTP clients become bodies for `/v1/send`."""

from base64 import b64decode
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.delivery.content import Mailbox
from services.gateway.mails.header_recipients import NO_HEADER_RECIPIENTS
from services.gateway.smtp.message_parser import ParsedMessage, UnreadableMessage, parse_message

PICTURE, PAPER = b"\x89PNG\r\n\x1a\n", b"%PDF-1.7\n"


def a_mail(**headers: str) -> EmailMessage:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "Ada Lovelace <ada@example.com>"
    mail["Subject"] = "Notes"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    return mail


def letter(mail: EmailMessage, *to: str) -> ParsedMessage:
    return parse_message(mail.as_bytes(), "envelope@example.com", to or ("bob@example.net",))


def test_names_and_addresses_come_from_the_header_and_recipients_from_the_envelope() -> None:
    mail = a_mail(To="Bob <BOB@example.net>", Cc="carol@example.net", Reply_To="Desk <desk@example.com>")
    mail.set_content("Hi")
    parse_message = letter(mail, "bob@example.net", "hidden@example.net")
    assert parse_message.body["from"] == {"email": "ada@example.com", "name": "Ada Lovelace"}
    assert parse_message.body["to"] == [{"email": "bob@example.net", "name": "Bob"}, {"email": "hidden@example.net"}]
    assert parse_message.body["reply"] == "desk@example.com"
    assert parse_message.header_recipients.to == [Mailbox(address="BOB@example.net", name="Bob")]
    assert parse_message.header_recipients.cc == [Mailbox(address="carol@example.net")]


def test_empty_and_too_long_recipient_lines_are_left_out() -> None:
    crowd = ", ".join(f"r{n}@example.net" for n in range(101))
    for to in ("undisclosed-recipients:;", crowd):
        mail = a_mail(To=to)
        mail.set_content("Hi")
        assert letter(mail).header_recipients == NO_HEADER_RECIPIENTS


def test_without_from_the_sender_is_that_of_the_envelope() -> None:
    mail = EmailMessage()
    mail.set_content("Hi")
    assert letter(mail).body["from"] == "envelope@example.com"


def test_plain_text_is_shown_as_it_was_written() -> None:
    mail = a_mail()
    mail.set_content("1 < 2 & 3\n  indented")
    body = letter(mail).body["body"]
    assert "1 &lt; 2 &amp; 3\n  indented" in body.replace("\r", "") and "pre-wrap" in body


def test_html_is_preferred_to_plain_text() -> None:
    mail = a_mail()
    mail.set_content("plain")
    mail.add_alternative("<p>Grüße</p>", subtype="html")
    assert letter(mail).body["body"].strip() == "<p>Grüße</p>"
    assert "attachments" not in letter(mail).body


def test_files_are_attached_and_inline_images_stay_inline() -> None:
    mail = a_mail()
    mail.set_content("plain")
    mail.add_alternative('<img src="cid:logo@example">', subtype="html")
    html = mail.get_body(("html",))
    assert html
    html.add_related(PICTURE, "image", "png", cid="<logo@example>")
    mail.add_attachment(PAPER, "application", "pdf", filename="Übersicht.pdf")
    picture, paper = letter(mail).body["attachments"]
    assert (picture["contentId"], picture["disposition"]) == ("logo@example", "inline")
    assert b64decode(picture["content"]) == PICTURE and picture["filename"] == "attachment-1.png"
    assert (paper["filename"], paper["contentType"]) == ("Übersicht.pdf", "application/pdf")
    assert b64decode(paper["content"]) == PAPER and "disposition" not in paper


def test_an_attached_message_is_attached_as_a_whole() -> None:
    inner, mail = a_mail(X_Inner="yes"), a_mail()
    inner.set_content("inner")
    mail.set_content("outer")
    mail.add_attachment(inner)
    [attached] = letter(mail).body["attachments"]
    assert attached["contentType"] == "message/rfc822"
    assert b"X-Inner: yes" in b64decode(attached["content"])


def test_the_writers_headers_are_kept_and_transport_headers_are_not() -> None:
    mail = a_mail(
        X_Ticket="7", In_Reply_To="<a@b>", Received="by here", DKIM_Signature="v=1", Date="today", Bcc="x@y.z"
    )
    mail.set_content("Hi")
    assert letter(mail).body["headers"] == {"X-Ticket": "7", "In-Reply-To": "<a@b>"}


@pytest.mark.parametrize(
    ("written", "template"),
    [
        ("plain { text }", "plain { text }"),
        ("{{ name }}", "{% raw %}{{ name }}{% endraw %}"),
        (
            "{% endraw %}!",
            "{% raw %}{% endraw %}{{ '{' }}{% raw %}% endraw %}!{% endraw %}",
        ),
    ],
)
def test_text_that_looks_like_a_template_is_escaped(written: str, template: str) -> None:
    mail = a_mail()
    mail.replace_header("Subject", written)
    mail.set_content("Hi")
    assert letter(mail).body["subject"] == template


def test_a_mail_without_a_subject_gets_one() -> None:
    mail = EmailMessage()
    mail.set_content("Hi")
    assert letter(mail).body["subject"] == "(no subject)"


def test_an_unknown_charset_is_decoded_as_far_as_possible() -> None:
    raw = b"Subject: Hi\r\nContent-Type: text/plain; charset=klingon\r\n\r\nhello\r\n"
    assert "hello" in parse_message(raw, "a@example.com", ["b@example.net"]).body["body"]


@given(st.binary(max_size=300) | st.builds(b"".join, st.lists(st.sampled_from([
    b"From: ", b"To: a@b.c\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n", b"\r\n", b"--x\r\n", b"--x--\r\n",
    b"Subject: =?utf-8?q?=ff?=\r\n", b"Content-Transfer-Encoding: base64\r\n", b"\xff\x00", b"Message-ID: <\r\n",
    b"Content-Type: message/rfc822\r\n", b"Content-ID: <x>\r\n", b"Reply-To: <>\r\n", b",;:\r\n",
]), max_size=20)))  # fmt: skip
def test_any_input_is_parsed_or_rejected(raw: bytes) -> None:
    try:
        assert parse_message(raw, "a@example.com", ["b@example.net"]).body["to"] == [{"email": "b@example.net"}]
    except UnreadableMessage:
        return
