"""Where a dotted path such as `utm.source` leads in a contact's or an event's data. Pure.

Conditions in SQL and in memory, templates and the list of fields follow the same rule: a key that is the whole path
comes first, and then what the path leads to.
"""

import re
from typing import Any

from libs.schemas.base import Data

_INDEX = re.compile(r"[ \t\n\v\f\r]*[+-]?\d+", re.ASCII)
"""The index of a list, as PostgreSQL parses it."""


def value_at(data: Data, path: str) -> object:
    """Return the value at a path, such as `order.items.0.price`, or None. -1 is the last item of a list."""
    if path in data:
        return data[path]
    value: object = data
    for name in path.split("."):
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and _INDEX.fullmatch(name) and -len(value) <= int(name) < len(value):
            value = value[int(name)]
        else:
            return None
    return value


def with_dotted_keys(data: Data) -> Data:
    """Return the data with the value of each dotted key also at its path, which is where a template looks for it.

    A path through a value that is no object has no such place: `{{ data["plan.name"] }}` still finds the key.
    """
    if not any("." in key for key in data):
        return data
    reachable = dict(data)
    for key in sorted(key for key in data if "." in key):
        _put(reachable, key.split("."), data[key])
    return reachable


def _put(data: dict[str, Any], path: list[str], value: object) -> None:
    """Set the value at the path. Objects on the way are copied, because they belong to the caller."""
    *parents, last = path
    for name in parents:
        inner = data.get(name, {})
        if not isinstance(inner, dict):
            return
        data[name] = data = dict(inner)
    data[last] = value
