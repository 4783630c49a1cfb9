"""A contact's data: JSON whose keys belong to the caller; how it merges, compares, and what of it can be kept."""

import re

from libs.kernel.rejection import invalid
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import Data

RESERVED = {
    "id",
    "email",
    "subscribed",
    "createdAt",
    "updatedAt",
    "subscribeUrl",
    "unsubscribeUrl",
    "manageUrl",
}
RESERVED_PREFIX = "plunk_"

MAX_BYTES = 128 * 1024
MAX_DEPTH = 32
LARGEST = 1e30
SMALLEST = 1e-30

_SUSPECT = re.compile(rb"\\u0000|\d{31}|\de[+-]?\d\d")


def merged(stored: Data, incoming: Data) -> Data:
    """What is stored after `incoming` was written over it, key by key and not deeper.

    Null deletes a key and an empty string leaves it. `{value, persistent: false}` is for one rendering only, with
    `persistent: true` its value is stored. Reserved keys are dropped. Raises Rejected for a locale that is no string.
    """
    result = dict(stored)
    for key, given in incoming.items():
        value = given
        if isinstance(given, dict) and _wrapped(given):
            if not given["persistent"]:
                continue
            value = given["value"]
        if _reserved(key):
            continue
        if value is None:
            result.pop(key, None)
        elif key == "locale" and not isinstance(value, str):
            raise invalid("data.locale", "Locale must be a string", "invalid_type")
        elif value != "":
            result[key] = value
    return result


def check(data: Data, field: str = "data") -> None:
    """Raise Rejected for JSON that no event can carry: see `refusal`."""
    if reason := refusal(data):
        raise invalid(field, reason, "invalid_json")


def refusal(value: object) -> str | None:
    """Why the log cannot hold this JSON, if it cannot.

    Postgres has no NUL and writes numbers out digit by digit: unbounded, a small request would grow into an event
    that is too big for the bus.
    """
    raw = encode(value)
    if len(raw) > MAX_BYTES:
        return f"is larger than {MAX_BYTES} bytes"
    if _SUSPECT.search(raw) or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        return _found(value)
    return None


def _found(value: object) -> str | None:
    """Look closer, without recursion, because the depth is the caller's."""
    waiting = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return f"is nested deeper than {MAX_DEPTH} levels"
        match part:
            case str() if "\0" in part:
                return "contains a NUL character"
            case int() | float() if part and not SMALLEST <= abs(part) <= LARGEST:
                return f"has a number outside of {SMALLEST} to {LARGEST}"
            case dict():
                waiting += [(inner, depth + 1) for pair in part.items() for inner in pair]
            case list():
                waiting += [(inner, depth + 1) for inner in part]
    return None


def _reserved(key: str) -> bool:
    return key in RESERVED or key.startswith(RESERVED_PREFIX)


def _wrapped(value: Data) -> bool:
    return "value" in value and isinstance(value.get("persistent"), bool)
