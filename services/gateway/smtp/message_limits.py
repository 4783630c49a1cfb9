"""Limits on a message, found before it is parsed. Pure.

The parser of the standard library takes time and memory beyond all proportion for long fields, many parts and deep
nesting. So one scan over the bytes, in proportion to their length, follows the structure of the message as the parser
would, and refuses what no mail program writes.
"""

import re

KIB = 1024
MAX_HEADER_BYTES = 64 * KIB
"""The limit for the message, and for each of its parts."""

MAX_PART_HEADERS_BYTES = 1024 * KIB
"""The limit for all parts together."""

MAX_FIELD_BYTES = 16 * KIB
MAX_FIELDS = 1000
MAX_LINE_BYTES = 998
MAX_PARTS = 1000
MAX_DEPTH = 20
MAX_ADDRESSES = 100
"""Mailboxes in one field."""

TOO_LARGE = "552 5.3.4"
TOO_COMPLEX = "554 5.6.0"

LINE = re.compile(rb"[^\r\n]*+(?:\r\n|\r|\n|\Z)")
DASHES = re.compile(rb"(?:\A|[\r\n])--")
FIELD = re.compile(rb"From |[\x21-\x39\x3b-\x7e]*+:|[ \t]")
BOUNDARY = re.compile(rb'boundary[ \t\r\n]*+=[ \t\r\n]*+(?:"([^"]*+)"|([^\s;"]++))', re.IGNORECASE)
QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
MESSAGE, REPORT = b"\0message", b"\0report"
"""What stands in the stack for an attached message, and for a report of blocks that look like headers."""


class MessageRefused(Exception):
    """Raised with the reply to a message that exceeds a limit."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


def check_message(content: bytes) -> None:
    """Raise MessageRefused if the message exceeds a limit."""
    _check_lines(content)
    _Scan(content).run()


def has_too_many_addresses(field: str) -> bool:
    """Whether an address field may name more than MAX_ADDRESSES mailboxes."""
    return field.count(",") >= MAX_ADDRESSES and QUOTED.sub("", field).count(",") >= MAX_ADDRESSES


def _check_lines(content: bytes) -> None:
    at, longest = 0, MAX_LINE_BYTES + len(b"\r\n")
    while len(content) - at > longest:
        end = content.rfind(b"\r\n", at, at + longest)
        if end < 0:
            raise MessageRefused(f"500 5.6.0 line too long (limit: {MAX_LINE_BYTES} bytes)")
        at = end + len(b"\r\n")


class _Scan:
    """One pass over a message. `_open` are the boundaries of the multiparts around the place that is read."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self._open: list[bytes] = []
        self._parts = 0
        self._part_headers = 0

    def run(self) -> None:
        in_header = True
        while self._at < len(self._content):
            in_header = self._header() if in_header else self._next_part()

    def _header(self) -> bool:
        """Read a block of header fields. Return whether another one follows at once."""
        block = _Block()
        while self._at < len(self._content):
            line = self._line()
            if line.startswith(b"--") and self._is_boundary(line):
                self._count_header(block)
                return self._enter(line)
            if not line.strip(b"\r\n"):
                break
            if not FIELD.match(line) and not self._in_report:
                self._at -= len(line)  # the parser takes this for the first line of the body
                break
            block.add(line)
        self._count_header(block)
        return self._open_part(b"".join(block.content_types))

    def _next_part(self) -> bool:
        """Skip to the next boundary. Return whether a header follows."""
        found = DASHES.search(self._content, max(self._at - 1, 0))
        if found is None:
            self._at = len(self._content)
            return False
        self._at = found.end() - 2
        line = self._line()
        return self._is_boundary(line) and self._enter(line)

    def _line(self) -> bytes:
        found = LINE.match(self._content, self._at)
        assert found is not None, "the pattern matches everywhere"
        self._at = found.end()
        return found.group()

    def _is_boundary(self, line: bytes) -> bool:
        name = line[2:].rstrip()
        return name in self._open or name.removesuffix(b"--") in self._open

    def _enter(self, line: bytes) -> bool:
        """Leave the parts that the boundary ends. Return whether it begins another one."""
        name = line[2:].rstrip()
        begins = name in self._open
        name = name if begins else name.removesuffix(b"--")
        while self._open[-1] != name:
            self._open.pop()
        if begins:
            self._count_part()
        else:
            self._open.pop()
        return begins

    def _open_part(self, content_type: bytes) -> bool:
        """Note what the part contains. Return whether a header follows."""
        if self._in_report:
            self._count_part()
            return True
        kind = content_type.lower()
        if b"boundary*" in kind:
            raise MessageRefused(f"{TOO_COMPLEX} the boundary of a multipart must not be encoded")
        if b"multipart/" in kind:
            for quoted, plain in BOUNDARY.findall(content_type):
                self._nest((quoted or plain).rstrip())
        if b"message/" in kind:
            self._nest(REPORT if b"message/delivery-status" in kind else MESSAGE)
            return True
        return False

    @property
    def _in_report(self) -> bool:
        return bool(self._open) and self._open[-1] == REPORT

    def _nest(self, boundary: bytes) -> None:
        self._open.append(boundary)
        if len(self._open) > MAX_DEPTH:
            raise MessageRefused(f"{TOO_COMPLEX} MIME parts nested too deeply (limit: {MAX_DEPTH})")

    def _count_part(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise MessageRefused(f"{TOO_COMPLEX} too many MIME parts (limit: {MAX_PARTS})")

    def _count_header(self, block: "_Block") -> None:
        self._part_headers += block.size if self._parts else 0
        if self._part_headers > MAX_PART_HEADERS_BYTES:
            raise MessageRefused(
                f"{TOO_LARGE} headers of MIME parts too large (limit: {MAX_PART_HEADERS_BYTES // KIB} KiB)"
            )


class _Block:
    """A block of header fields while it is read."""

    def __init__(self) -> None:
        self.size = 0
        self.content_types: list[bytes] = []
        self._fields = 0
        self._field = 0
        self._name = b""

    def add(self, line: bytes) -> None:
        """Add a line. Raise MessageRefused if it exceeds a limit."""
        if not line.startswith((b" ", b"\t")):
            self._fields, self._field = self._fields + 1, 0
            self._name = line.partition(b":")[0].strip().lower()
        self._field += len(line)
        self.size += len(line)
        if self._name == b"content-type":
            self.content_types.append(line)
        self._check()

    def _check(self) -> None:
        if self.size > MAX_HEADER_BYTES:
            raise MessageRefused(f"{TOO_LARGE} message header too large (limit: {MAX_HEADER_BYTES // KIB} KiB)")
        if self._field > MAX_FIELD_BYTES:
            raise MessageRefused(f"{TOO_LARGE} header field too long (limit: {MAX_FIELD_BYTES // KIB} KiB)")
        if self._fields > MAX_FIELDS:
            raise MessageRefused(f"{TOO_COMPLEX} too many header fields (limit: {MAX_FIELDS})")
