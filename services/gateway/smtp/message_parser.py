"""Parses a message from an SMTP client (RFC 5322, MIME) into a body for `/v1/send`. Pure.

The content is sent as it is: braces in it are not a template. From, Reply-To and names are taken from the header, the
recipients from the envelope.
"""

import mimetypes
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from email import message_from_bytes
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from html import escape
from typing import Any

import msgspec

from libs.kernel.addresses import normalize_address
from libs.kernel.file_names import safe_file_name
from libs.kernel.mail_headers import allowed_headers, is_allowed_name
from libs.schemas.delivery.content import Mailbox
from services.gateway.mails.header_recipients import NO_HEADER_RECIPIENTS, HeaderRecipients
from services.gateway.smtp.message_limits import (
    MAX_ADDRESSES,
    TOO_COMPLEX,
    MessageRefused,
    check_message,
    has_too_many_addresses,
)

MAX_HEADER_RECIPIENTS = 100
"""Mailboxes in To and Cc together."""

NO_SUBJECT = "(no subject)"
LITERAL = "{{% raw %}}{}{{% endraw %}}"
TAG = re.compile(r"\{(?=[{%])")
PARSER_ERRORS = (MessageError, LookupError, UnicodeError, ValueError, TypeError, AttributeError, RecursionError)
"""What the parser of the standard library raises for malformed headers."""


class UnreadableMessage(Exception):
    """Raised when a message is not valid RFC 5322 or MIME."""


class ParsedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The body for `/v1/send`, and the mailboxes in To and Cc.

    `identity` distinguishes the message from every other one; None if its writer gave it neither an id nor a date.
    """

    body: dict[str, Any]
    header_recipients: HeaderRecipients
    identity: str | None


def parse_message(content: bytes, sender: str, recipients: Sequence[str]) -> ParsedMessage:
    """Parse a message whose envelope is from `sender` to `recipients`.

    Raises UnreadableMessage, and MessageRefused for one that exceeds a limit.
    """
    check_message(content)
    try:
        message = message_from_bytes(content, policy=SMTP)
        assert isinstance(message, EmailMessage)
        return ParsedMessage(
            body=_body(message, sender, recipients),
            header_recipients=_header_recipients(message),
            identity=_line(message, "Message-ID") or _line(message, "Date") or None,
        )
    except PARSER_ERRORS as error:
        raise UnreadableMessage(f"{type(error).__name__}: {error}") from error


def _body(message: EmailMessage, sender: str, recipients: Sequence[str]) -> dict[str, Any]:
    html, files = _content(message)
    author, answer = _first_address(message, "From"), _first_address(message, "Reply-To")
    names = {a.addr_spec.lower(): a.display_name for a in (*_addresses(message, "To"), *_addresses(message, "Cc"))}
    optional = {
        "reply": answer.addr_spec if answer else None,
        "headers": _headers(message),
        "attachments": list(files),
    }
    return {
        "to": [_person(address, names.get(address.lower(), "")) for address in recipients],
        "from": _person(author.addr_spec, author.display_name) if author else sender,
        "subject": _literal(_line(message, "Subject") or NO_SUBJECT),
        "body": _literal(html),
        **{name: value for name, value in optional.items() if value},
    }


def _header_recipients(message: EmailMessage) -> HeaderRecipients:
    """Return To and Cc, so that a reply can go to all. Too long lines are left out, because each mail carries them."""
    to, cc = (
        [
            Mailbox(address=a.addr_spec, name=_name(a))
            for a in _addresses(message, name)
            if normalize_address(a.addr_spec)
        ]
        for name in ("To", "Cc")
    )
    return HeaderRecipients(to, cc) if len(to) + len(cc) <= MAX_HEADER_RECIPIENTS else NO_HEADER_RECIPIENTS


def _name(address: Address) -> str:
    return " ".join(address.display_name.split())[:100]


def _content(message: EmailMessage) -> tuple[str, Iterable[dict[str, Any]]]:
    """Return the HTML to show, and all other parts as attachments."""
    shown = message.get_body(("html",)), message.get_body(("plain",))
    html, text = shown
    if html is not None:
        markup = _text(html)
    elif text is not None:
        markup = f'<div style="white-space: pre-wrap">{escape(_text(text))}</div>'
    else:
        markup = "<p></p>"
    others = (part for part in _leaves(message) if not any(part is each for each in shown))
    return markup, (_attachment(part, n, markup) for n, part in enumerate(others, start=1))


def _leaves(part: MIMEPart) -> Iterator[MIMEPart]:
    """Yield the parts with content, in order. An attached message is one part, whatever it contains."""
    if part.get_content_maintype() != "multipart":
        yield part
        return
    for each in part.iter_parts():
        yield from _leaves(each)


def _text(part: MIMEPart) -> str:
    raw = part.get_payload(decode=True)
    octets = raw if isinstance(raw, bytes) else b""
    try:
        text = octets.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        text = octets.decode("utf-8", "replace")
    return text.replace("\x00", "")


def _attachment(part: MIMEPart, number: int, html: str) -> dict[str, Any]:
    content_id = _line(part, "Content-ID").strip("<>")
    kind = part.get_content_type()
    inline = bool(content_id) and (part.get_content_disposition() == "inline" or f"cid:{content_id}" in html)
    usual = f"attachment-{number}{mimetypes.guess_extension(kind) or ''}"
    filename = safe_file_name(part.get_filename() or usual, usual)
    file = {"filename": filename, "content": b64encode(_bytes(part)).decode(), "contentType": kind}
    return file | ({"contentId": content_id, "disposition": "inline"} if inline else {})


def _bytes(part: MIMEPart) -> bytes:
    if part.get_content_maintype() == "message":
        return b"".join(each.as_bytes() for each in part.iter_parts())
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _headers(message: MIMEPart) -> dict[str, str]:
    """Return the headers that the writer may set. The last one counts if a header is repeated."""
    return allowed_headers({name: _line(message, name) for name in message if is_allowed_name(name)})


def _first_address(message: MIMEPart, name: str) -> Address | None:
    if has_too_many_addresses(_raw(message, name)):
        raise MessageRefused(f"{TOO_COMPLEX} too many addresses in {name} (limit: {MAX_ADDRESSES})")
    return next(iter(_addresses(message, name)), None)


def _addresses(message: MIMEPart, name: str) -> tuple[Address, ...]:
    """Return the addresses in a field, none if there are more than one may parse."""
    header = None if has_too_many_addresses(_raw(message, name)) else message[name]
    return tuple(a for a in header.addresses if a.addr_spec != "<>") if header is not None else ()


def _raw(message: MIMEPart, name: str) -> str:
    """Return a field as it was written."""
    return next((str(value) for each, value in message.raw_items() if each.lower() == name.lower()), "")


def _person(address: str, name: str) -> dict[str, str]:
    return {"email": address} | ({"name": " ".join(name.split())[:100]} if name.strip() else {})


def _line(message: MIMEPart, name: str) -> str:
    """Return a header as one line of text."""
    return " ".join(str(message[name] or "").replace("\x00", "").split())


def _literal(text: str) -> str:
    """Return a template that renders exactly this text."""
    if not TAG.search(text):
        return text
    return LITERAL.format(TAG.sub("{% endraw %}{{ '{' }}{% raw %}", text) if "endraw" in text else text)
