"""The mail headers that a caller may set.

The gateway rejects the others before anything is written, other entry points drop them, and delivery checks again.
Headers that say who writes to whom, how the mail is built and how to unsubscribe are ours alone: a caller's own `To`
would send the mail elsewhere, and its own `List-Unsubscribe` would take away the reader's way out.
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
"""Prefixes of headers that Godwit or Amazon SES sets."""


def header_errors(headers: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Yield the name, a message and a code for each header that the caller may not set."""
    if len(headers) > MAX_HEADERS:
        yield "", f"At most {MAX_HEADERS} headers are allowed", "too_big"
    seen: set[str] = set()
    for name, value in headers.items():
        if name.lower() in seen:
            yield name, "Duplicate header", "duplicate"
        elif error := _name_error(name) or _value_error(value):
            yield name, *error
        seen.add(name.lower())


def allowed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that a caller may set, for entry points that drop the others instead of rejecting the mail."""
    found = {name: value for name, value in headers.items() if not (_name_error(name) or _value_error(value))}
    return dict(islice(found.items(), MAX_HEADERS))


def is_allowed_name(name: str) -> bool:
    """Whether the caller may set a header of this name."""
    return _name_error(name) is None


def _name_error(name: str) -> tuple[str, str] | None:
    lower = name.lower()
    if not NAME.fullmatch(name):
        return "Invalid header name", "invalid_string"
    if lower.startswith(RESERVED_PREFIXES) or not (lower.startswith("x-") or lower in ALLOWED):
        return f"This header is reserved. Allowed: X-… and {', '.join(sorted(ALLOWED))}", "not_allowed"
    return None


def _value_error(value: object) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return "Expected string", "invalid_type"
    if len(value.encode(errors="replace")) > MAX_VALUE_BYTES:
        return f"Must not exceed {MAX_VALUE_BYTES} bytes", "too_big"
    if not value.isprintable():
        return "Must be a single line without control characters", "invalid_string"
    return None
