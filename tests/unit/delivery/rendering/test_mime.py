"""Each class of mail as a MIME message, read back with the standard library."""

from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from libs.kernel.links import KeyRing
from libs.schemas.delivery.content import Content, Mailbox, MailOptions
from services.delivery.ledger.mail import Mail
from services.delivery.rendering import mime
from services.delivery.rendering.message import as_mime, compose, render
from services.delivery.rendering.variables import Links

LINKS = Links("https://mail.example.com", KeyRing(("a-key-of-at-least-thirty-two-characters",)))
BODY = "<html><body><h1>Hi {{ name }}</h1><p>Your plan: <b>{{ plan }}</b></p></body></html>"
CONTENT = Content(
    subject="Grüße an {{ name }}",
    body=BODY,
    from_email="news@bücher.example",
    from_name="Müller, Söhne",
    reply_to="re@x.example",
)
MAIL = Mail(
    id=UUID(int=1),
    project=UUID(int=2),
    contact_id=UUID(int=3),
    source="TRANSACTIONAL",
    recipient="ann@bücher.example",
    content=replace(CONTENT, kind="TRANSACTIONAL"),
    data="{}",
    contact_data='{"name": "Änn", "plan": "a & b"}',
    subscribed=True,
    listed=None,
    meta="{}",
)
BULK = {"Precedence": "bulk", "Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
LIST = ("List-Unsubscribe", "List-Unsubscribe-Post", "List-Id")
PDF = mime.AttachedFile(
    filename="Übersicht & Rechnung vom letzten Monat, endgültig.pdf",
    content_type="application/pdf",
    content=b"%PDF\0\xff" * 50,
)
LOGO = mime.AttachedFile(
    filename="logo.png", content_type="image/png", content=b"\x89PNG", content_id="logo@godwit", inline=True
)


def marketing() -> Mail:
    return replace(MAIL, content=CONTENT)


def campaign() -> Mail:
    return replace(marketing(), source="CAMPAIGN", campaign_id=UUID(int=4))


def workflow() -> Mail:
    return replace(marketing(), source="WORKFLOW", workflow_id=UUID(int=5), execution_id=UUID(int=6))


def read(mail: Mail, *files: mime.AttachedFile) -> EmailMessage:
    raw = as_mime(render(mail, LINKS), files)
    assert raw.replace(b"\r\n", b"").count(b"\n") == 0 and max(map(len, raw.split(b"\r\n"))) <= 998
    parsed = message_from_bytes(raw, policy=default)
    assert isinstance(parsed, EmailMessage)
    assert [defect for part in parsed.walk() for defect in part.defects] == []
    return parsed


def text_of(message: EmailMessage, kind: str) -> str:
    body = message.get_body((kind,))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def tree(part: Any) -> Any:
    return (
        (part.get_content_type(), [tree(each) for each in part.iter_parts()])
        if part.is_multipart()
        else part.get_content_type()
    )


def headers_in(message: EmailMessage, *names: str) -> dict[str, str]:
    return {name: str(message[name]) for name in names if name in message}


@pytest.mark.parametrize(
    "make", [lambda: MAIL, marketing, campaign, workflow], ids=["plain", "marketing", "campaign", "workflow"]
)
def test_every_mail_has_sender_recipient_and_both_bodies(make: Any) -> None:
    message = read(make())
    assert tree(message) == ("multipart/alternative", ["text/plain", "text/html"])
    assert message["Subject"] == "Grüße an Änn"
    assert [(a.display_name, a.addr_spec) for a in message["From"].addresses] == [
        ("Müller, Söhne", "news@xn--bcher-kva.example")
    ]
    assert [a.addr_spec for a in message["To"].addresses] == ["ann@xn--bcher-kva.example"]
    assert message["Reply-To"] == "re@x.example"
    assert message["X-Godwit-Email"] == str(MAIL.id)
    assert "<h1>Hi Änn</h1>" in text_of(message, "html") and "a &amp; b" in text_of(message, "html")
    assert text_of(message, "plain").startswith("Hi Änn\n\nYour plan: a & b")
    for theirs in ("Date", "Message-ID", "Return-Path", "Bcc", "Cc", "Sender"):
        assert theirs not in message


def test_transactional_mail_has_no_bulk_headers() -> None:
    message = read(MAIL)
    assert headers_in(message, *LIST, *BULK) == {}
    assert "unsubscribe" not in text_of(message, "html") + text_of(message, "plain")


@pytest.mark.parametrize("make", [marketing, campaign, workflow])
def test_marketing_mail_of_any_source_offers_one_click_unsubscribe(make: Any) -> None:
    message = read(make())
    url = LINKS.of(MAIL.project, MAIL.contact_id, MAIL.id).unsubscribe
    assert headers_in(message, *LIST) == {
        "List-Unsubscribe": f"<{url}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Id": f"<{MAIL.project.hex}.xn--bcher-kva.example>",
    }
    assert headers_in(message, *BULK) == BULK
    assert text_of(message, "html").count(url) == 1
    assert text_of(message, "plain").endswith(f"Unsubscribe: {url}\n")


def test_a_transactional_campaign_has_bulk_headers_but_no_list_headers() -> None:
    message = read(replace(campaign(), content=MAIL.content))
    assert headers_in(message, *LIST) == {} and headers_in(message, *BULK) == BULK


def test_attachments_and_inline_images_are_nested_as_mail_clients_expect() -> None:
    shown = replace(MAIL, content=replace(MAIL.content, body='<p>Hi</p><img src="cid:logo@godwit">'))
    message = read(shown, PDF, LOGO)
    assert tree(message) == (
        "multipart/mixed",
        [
            ("multipart/related", [("multipart/alternative", ["text/plain", "text/html"]), "image/png"]),
            "application/pdf",
        ],
    )
    (pdf,) = message.iter_attachments()
    assert (pdf.get_filename(), pdf.get_content_disposition(), pdf.get_content()) == (
        PDF.filename,
        "attachment",
        PDF.content,
    )
    (logo,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
    assert (logo["Content-ID"], logo.get_content_disposition(), logo.get_content()) == (
        "<logo@godwit>",
        "inline",
        b"\x89PNG",
    )


def test_absent_contents_get_no_part() -> None:
    assert tree(read(MAIL, LOGO))[0] == "multipart/related"
    assert tree(read(MAIL, PDF))[0] == "multipart/mixed"
    wordless = replace(MAIL, content=replace(MAIL.content, body="<img src='https://x.example/a.png'>"))
    assert tree(read(wordless)) == "text/html"


def test_lines_of_any_length_are_preserved() -> None:
    long = "ß" * 5000
    message = read(replace(MAIL, content=replace(MAIL.content, body=f"<p>{long}</p>\n.\n", subject="Ü" * 400)))
    assert long in text_of(message, "html") and text_of(message, "html").endswith("\n.\n")
    assert message["Subject"] == "Ü" * 400


def test_custom_headers_are_written_unchanged() -> None:
    extras = MailOptions(name='Ann "the" Ü', headers={"X-Order": "42", "References": "<a@b> <c@d>", "X-Note": "grün"})
    message = read(replace(MAIL, extras=extras))
    assert max(map(len, as_mime(render(replace(MAIL, extras=extras), LINKS)).split(b"\r\n"))) <= 78
    assert headers_in(message, *extras.headers) == extras.headers
    assert message["To"].addresses[0].display_name == 'Ann "the" Ü'


def test_only_mails_with_custom_headers_or_files_are_sent_as_raw_content() -> None:
    assert "Simple" in compose(MAIL, LINKS, "set").request["Content"]
    for mail, files in ((replace(MAIL, extras=MailOptions(headers={"X-A": "b"})), ()), (MAIL, (PDF,))):
        request = compose(mail, LINKS, "set", files).request
        assert request["Content"]["Raw"]["Data"] == as_mime(render(mail, LINKS), files)
        assert "ReplyToAddresses" not in request
        assert {"Name": "godwit_email", "Value": str(MAIL.id)} in request["EmailTags"]


def test_a_mail_shows_the_recipients_of_the_message_it_came_from() -> None:
    named = MailOptions(
        shown_to=[Mailbox(address="ann@bücher.example", name="Änn, the Great"), Mailbox(address="bob@x.example")],
        shown_cc=[Mailbox(address="c@x.example")],
    )
    message = read(replace(MAIL, extras=named))
    assert str(message["To"]) == '"Änn, the Great" <ann@xn--bcher-kva.example>, bob@x.example'
    assert str(message["Cc"]) == "c@x.example"
    request = compose(replace(MAIL, extras=named), LINKS, "godwit").request
    assert request["Destination"] == {"ToAddresses": ["ann@xn--bcher-kva.example"]} and "Raw" in request["Content"]


def test_a_message_with_only_cc_recipients_has_no_to_header() -> None:
    message = read(replace(MAIL, extras=MailOptions(shown_cc=[Mailbox(address="c@x.example")])))
    assert (message["To"], str(message["Cc"])) == (None, "c@x.example")
