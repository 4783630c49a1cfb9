"""Write the MIME message that SES would send for a Simple call. (email.message takes ten times as long.)"""

from base64 import encodebytes
from collections.abc import Iterable
from email.header import Header

import msgspec

MAX_LINE = 998


class Part(msgspec.Struct, frozen=True):
    """A MIME part: content type with parameters, further headers, and an encoded body that ends with a line break."""

    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def text_part(subtype: str, text: str) -> Part:
    lines = text.splitlines()
    if text.isascii() and all(len(line) <= MAX_LINE for line in lines):
        body = "".join(f"{line}\r\n" for line in lines).encode()
        return Part(f"text/{subtype}; charset=UTF-8", body, (("Content-Transfer-Encoding", "7bit"),))
    return Part(f"text/{subtype}; charset=UTF-8", _base64(text.encode()), (("Content-Transfer-Encoding", "base64"),))


def attachment_part(content_type: str, name: str, content: bytes, disposition: str, content_id: str) -> Part:
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    headers = [
        ("Content-Transfer-Encoding", "base64"),
        ("Content-Disposition", f'{disposition.lower()}; filename="{quoted}"'),
    ]
    if content_id:
        headers.append(("Content-ID", f"<{content_id}>"))
    return Part(content_type, _base64(content), tuple(headers))


def multipart(subtype: str, parts: Iterable[Part], boundary: str) -> Part:
    delimiter = f"--{boundary}".encode()
    pieces = [delimiter + b"\r\n" + _written((), part) for part in parts]
    return Part(f'multipart/{subtype}; boundary="{boundary}"', b"".join([*pieces, delimiter, b"--\r\n"]))


def message(headers: Iterable[tuple[str, str]], content: Part) -> bytes:
    return _written((*headers, ("MIME-Version", "1.0")), content)


def _written(headers: Iterable[tuple[str, str]], part: Part) -> bytes:
    lines = [*headers, ("Content-Type", part.content_type), *part.headers]
    head = "".join(f"{name}: {_encoded(value)}\r\n" for name, value in lines)
    return head.encode() + b"\r\n" + part.body


def _encoded(value: str) -> str:
    line = " ".join(value.splitlines())
    if line.isascii():
        return line
    return Header(line, "utf-8").encode(linesep="\r\n")


def _base64(content: bytes) -> bytes:
    return encodebytes(content).replace(b"\n", b"\r\n")
