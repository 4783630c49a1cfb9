"""Which headers a caller may give to a mail. Pure.

The gateway refuses the others before anything is written, whoever else takes mail drops them, and delivery looks again.
What says who writes to whom, how the mail is built and how it is stopped is ours alone to write: a caller's own `To`
would send the mail elsewhere, and its own `List-Unsubscribe` would take the reader's way out.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import islice

MAX_HEADERS = 20
MAX_VALUE_BYTES = 998
NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
ALLOWED = frozenset(
    (
        *("auto-submitted", "comments", "importance", "in-reply-to", "keywords", "organization", "precedence"),
        *("priority", "references", "sensitivity"),
    )
)
RESERVED_PREFIXES = ("x-godwit-", "x-plunk-", "x-ses-")
"""What begins so is for us or for Amazon SES to say."""


def header_errors(headers: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """What is wrong with them: the name, a sentence and a code, for each that cannot be given."""
    if len(headers) > MAX_HEADERS:
        yield "", f"At most {MAX_HEADERS} headers can be given", "too_big"
    seen: set[str] = set()
    for name, value in headers.items():
        if name.lower() in seen:
            yield name, "Is given twice", "duplicate"
        elif wrong := _wrong_name(name) or _wrong_value(value):
            yield name, *wrong
        seen.add(name.lower())


def allowed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of a mail's headers that a caller may give: where a mail is taken as it is, the others are left out."""
    found = {name: value for name, value in headers.items() if not (_wrong_name(name) or _wrong_value(value))}
    return dict(islice(found.items(), MAX_HEADERS))


def _wrong_name(name: str) -> tuple[str, str] | None:
    lower = name.lower()
    if not NAME.fullmatch(name):
        return "Is not the name of a header", "invalid_string"
    if lower.startswith(RESERVED_PREFIXES) or not (lower.startswith("x-") or lower in ALLOWED):
        return "Cannot be set: it is written by Godwit, or would change who gets the mail", "not_allowed"
    return None


def _wrong_value(value: object) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return "Expected string", "invalid_type"
    if len(value.encode(errors="replace")) > MAX_VALUE_BYTES:
        return f"Must have at most {MAX_VALUE_BYTES} bytes", "too_big"
    if not value.isprintable():
        return "Must be a single line without control characters", "invalid_string"
    return None
