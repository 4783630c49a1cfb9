"""A contact's data, JSON whose keys belong to the caller: how it merges, and what the log can hold. Pure."""

import re
from collections.abc import Collection
from itertools import islice

from libs.kernel.passing_values import is_passing, value_of
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
MAX_NUMBER = 1e30
MIN_NUMBER = 1e-30

_SUSPICIOUS = re.compile(rb"\\u0000|\d{31}|\de[+-]?\d\d")


def merge(stored: Data, incoming: Data) -> Data:
    """Return the stored data after writing `incoming` over it, top-level key by top-level key.

    Null deletes a key and an empty string leaves it unchanged. `{value, persistent: false}` is for one rendering only;
    with `persistent: true` the value is stored. Reserved keys are dropped. Raise Rejected for a locale that is not a
    string.
    """
    result = dict(stored)
    for key, given in incoming.items():
        if is_passing(given) or _is_reserved(key):
            continue
        value = value_of(given)
        if value is None:
            result.pop(key, None)
        elif key == "locale" and not isinstance(value, str):
            raise invalid("data.locale", "Locale must be a string", "invalid_type")
        elif value != "":
            result[key] = value
    return result


def additions(stored: Data, incoming: Data, writable: Collection[str], room: int) -> Data:
    """Return what `incoming` adds to the stored data: at most `room` new keys, among `writable` unless that is empty,
    and none if the data would break a rule of the log. Raise Rejected for what no contact can have, whatever is stored.
    """
    new = {
        key: value
        for key, value in merge({}, incoming).items()
        if key not in stored and (not writable or key in writable)
    }
    new = dict(islice(new.items(), max(0, room)))
    return {} if json_flaw(stored | new) else new


def check_data(data: Data) -> None:
    """Raise Rejected for JSON that no event can carry: see `json_flaw`."""
    if reason := json_flaw(data):
        raise invalid("data", f"Data {reason}", "invalid_json")


def json_flaw(value: object) -> str | None:
    """Return the rule of the log that the JSON breaks, such as "must not contain a NUL character", or None.

    Postgres stores no NUL, and writes numbers out digit by digit: without a limit, a small request would grow into an
    event that is too large for the bus.
    """
    raw = encode(value)
    if len(raw) > MAX_BYTES:
        return f"must be at most {MAX_BYTES} bytes"
    if _SUSPICIOUS.search(raw) or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        return _find_flaw(value)
    return None


def _find_flaw(value: object) -> str | None:
    """Walk the whole value, without recursion because the caller chooses the depth."""
    waiting = [(value, 1)]
    while waiting:
        part, depth = waiting.pop()
        if depth > MAX_DEPTH:
            return f"must not be nested deeper than {MAX_DEPTH} levels"
        match part:
            case str() if "\0" in part:
                return "must not contain a NUL character"
            case int() | float() if part and not MIN_NUMBER <= abs(part) <= MAX_NUMBER:
                return f"must not contain a number outside {MIN_NUMBER} to {MAX_NUMBER}"
            case dict():
                waiting += [(inner, depth + 1) for pair in part.items() for inner in pair]
            case list():
                waiting += [(inner, depth + 1) for inner in part]
    return None


def _is_reserved(key: str) -> bool:
    return key in RESERVED or key.startswith(RESERVED_PREFIX)
