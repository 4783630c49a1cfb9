"""An accepted message as a mailbox reads it. Messages are parsed on demand, never while they are being accepted."""

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message as MimeMessage
from email.utils import formatdate

import msgspec

from deploy.sandbox.http.requests import SendEmail
from deploy.sandbox.mailbox import mime
from deploy.sandbox.mailbox.ledger import Message

Headers = list[tuple[str, str]]

FOLD = re.compile(r"\r?\n[ \t]+")
END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
read_request = msgspec.json.Decoder(SendEmail).decode


class Mail(msgspec.Struct):
    headers: Headers
    text: str = ""
    html: str = ""
    attachments: list[str] = []

    @property
    def subject(self) -> str:
        return value_of(self.headers, "subject")


def value_of(headers: Headers, name: str) -> str:
    """Return the first header of this name, or an empty string."""
    return next((value for key, value in headers if key.lower() == name), "")


def read_headers(message: Message) -> Headers:
    """Return the headers, decoded and unfolded, in the order of the message."""
    if message.kind == "simple":
        return _simple_headers(message, read_request(message.content))
    end = END_OF_HEADERS.search(message.content)
    return _decoded_headers(message_from_bytes(message.content[: end.start()] if end else message.content))


def read_mail(message: Message) -> Mail:
    if message.kind == "simple":
        return _read_simple(message)
    parsed = message_from_bytes(message.content)
    mail = Mail(_decoded_headers(parsed), attachments=[])
    for part in parsed.walk():
        _take(part, mail)
    return mail


def raw_mail(message: Message) -> bytes:
    """Return the bytes of a Raw call unchanged, or the MIME message that SES would have made of a Simple call."""
    if message.kind == "raw":
        return message.content
    request = read_request(message.content)
    return mime.message(_simple_headers(message, request), _simple_part(message, request))


def _take(part: MimeMessage, mail: Mail) -> None:
    if part.is_multipart():
        return
    if name := part.get_filename():
        mail.attachments.append(_decoded(name))
    elif part.get_content_type() == "text/html":
        mail.html = mail.html or _text_of(part)
    elif part.get_content_type() == "text/plain":
        mail.text = mail.text or _text_of(part)


def _text_of(part: MimeMessage) -> str:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)  # only multiparts have none, and they never get here
    try:
        return content.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        return content.decode("utf-8", "replace")


def _decoded_headers(parsed: MimeMessage) -> Headers:
    return [(name, _decoded(FOLD.sub(" ", str(value)))) for name, value in parsed.items()]


def _decoded(value: str) -> str:
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, UnicodeDecodeError):
        return value


def _read_simple(message: Message) -> Mail:
    request = read_request(message.content)
    simple = request.content.simple
    assert simple is not None  # what makes a message of this kind
    return Mail(
        _simple_headers(message, request),
        text=simple.body.text.data if simple.body.text else "",
        html=simple.body.html.data if simple.body.html else "",
        attachments=[attachment.file_name for attachment in simple.attachments],
    )


def _simple_headers(message: Message, request: SendEmail) -> Headers:
    simple, destination = request.content.simple, request.destination
    assert simple is not None  # what makes a message of this kind
    headers = [
        ("Date", formatdate(message.accepted_at)),
        ("From", request.from_email_address),
        ("Reply-To", ", ".join(request.reply_to_addresses)),
        ("To", ", ".join(destination.to_addresses)),
        ("Cc", ", ".join(destination.cc_addresses)),
        ("Subject", simple.subject.data),
        ("Message-ID", f"<{message.id}@email.amazonses.com>"),
        *((header.name, header.value) for header in simple.headers),
    ]
    return [(name, value) for name, value in headers if value]


def _simple_part(message: Message, request: SendEmail) -> mime.Part:
    simple = request.content.simple
    assert simple is not None  # what makes a message of this kind
    texts = list(_text_parts(request))
    content = texts[0] if len(texts) == 1 else mime.multipart("alternative", texts, f"=_alternative_{message.seq}")
    if not simple.attachments:
        return content
    attachments = [
        mime.attachment_part(
            each.content_type, each.file_name, each.raw_content, each.content_disposition, each.content_id
        )
        for each in simple.attachments
    ]
    return mime.multipart("mixed", [content, *attachments], f"=_mixed_{message.seq}")


def _text_parts(request: SendEmail) -> Iterator[mime.Part]:
    assert request.content.simple is not None  # what makes a message of this kind
    body = request.content.simple.body
    if body.text:
        yield mime.text_part("plain", body.text.data)
    if body.html:
        yield mime.text_part("html", body.html.data)
