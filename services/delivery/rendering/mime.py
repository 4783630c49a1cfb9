"""Writes a mail as a MIME message, exactly as it is sent. Pure.

    multipart/mixed                     where there are attachments
        multipart/related               where there are inline images
            multipart/alternative
                text/plain
                text/html
            image, with its Content-ID
        attachment

The standard library encodes and folds headers (RFC 2047, RFC 2231) and keeps line breaks out of them. Bodies are
encoded here by functions written in C: the library's own encoder takes seconds for the largest attachments.
"""

from base64 import b64encode
from binascii import b2a_qp
from collections.abc import Iterable, Sequence
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP

import msgspec

from libs.kernel.file_names import safe_file_name

CRLF = "\r\n"
LINE = 76
MAX_WORD = 900
"""The longest word that a header may have unencoded: headers fold at spaces, and a line has at most 998 characters."""


class AttachedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file with its bytes; the HTML shows one that has a `content_id` by a `cid:` link."""

    filename: str
    content_type: str
    content: bytes
    content_id: str | None = None
    inline: bool = False


def message(headers: Iterable[tuple[str, str]], text: str, html: str, files: Sequence[AttachedFile] = ()) -> bytes:
    """Return the whole message. Lines end in CRLF and have at most the 998 characters that RFC 5322 allows."""
    shown = [file for file in files if file.inline]
    attached = [file for file in files if not file.inline]
    body = _multipart("alternative", [_text("plain", text), _text("html", html)]) if text else _text("html", html)
    if shown:
        body = _multipart("related", [body, *map(_file, shown)])
    if attached:
        body = _multipart("mixed", [body, *map(_file, attached)])
    return b"".join(_line(name, value) for name, value in headers) + b"MIME-Version: 1.0\r\n" + body


def _text(subtype: str, text: str) -> bytes:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    head = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return head.encode() + b2a_qp(lines.replace("\n", CRLF).encode(), istext=True)


def _file(file: AttachedFile) -> bytes:
    head = EmailMessage(policy=SMTP)
    # RFC 2046 forbids Base64 for message/* and multipart/*, so such a file is declared as plain bytes
    whole = file.content_type.lower().startswith(("message/", "multipart/"))
    head["Content-Type"] = "application/octet-stream" if whole else file.content_type
    head["Content-Transfer-Encoding"] = "base64"
    head.add_header(
        "Content-Disposition", "inline" if file.inline else "attachment", filename=safe_file_name(file.filename)
    )
    if file.content_id:
        head["Content-ID"] = f"<{file.content_id}>"
    coded = b64encode(file.content)
    lines = [coded[at : at + LINE] for at in range(0, len(coded), LINE)]
    return head.as_bytes() + b"\r\n".join([*lines, b""])


def _multipart(subtype: str, parts: Sequence[bytes]) -> bytes:
    """Join the parts. The boundary cannot occur in them: neither base64 nor quoted-printable writes `=_`."""
    boundary = f"=_{subtype}"
    delimiter = f"--{boundary}\r\n".encode()
    head = f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n'.encode()
    return head + b"".join(delimiter + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


def _line(name: str, value: str) -> bytes:
    """Return one header field, encoded if necessary and folded where possible."""
    if not (name + value).isprintable():
        raise ValueError(f"{name} contains a character that is not allowed in a header")
    words = value.split(" ")
    plain = value.isascii() and max(map(len, words)) < MAX_WORD
    if plain and len(words) == 1:
        return f"{name}: {value}{CRLF}".encode()
    coded = Header(value, "us-ascii" if plain else "utf-8", header_name=name)
    return f"{name}: {coded.encode(linesep=CRLF)}{CRLF}".encode()
