"""Where a custom field is named: in the filters of conditions, in templates, and as a key that is written. Pure."""

from typing import Any

from libs.kernel.liquid import data_keys_in

WRITING_MEMBERS = ("data", "updates")
"""Members under which a workflow's step has the data that it writes."""


def refers_to_field(document: object, key: str) -> bool:
    """Does a JSON document (a condition, a mail's content, a step's configuration) name this key of contacts' data?"""
    waiting = [document]
    while waiting:
        part = waiting.pop()
        match part:
            case str() if "{" in part and key in part and key in data_keys_in(part):
                return True
            case dict() if _filters(part, key) or _writes(part, key):
                return True
            case dict():
                waiting += part.values()
            case list():
                waiting += part
    return False


def _filters(part: dict[str, Any], key: str) -> bool:
    """A filter on the key, or on something within its value."""
    field = part.get("field")
    if not isinstance(field, str):
        return False
    name = field.removeprefix("contact.")
    return name == f"data.{key}" or name.startswith(f"data.{key}.")


def _writes(part: dict[str, Any], key: str) -> bool:
    return any(isinstance(written := part.get(name), dict) and key in written for name in WRITING_MEMBERS)
