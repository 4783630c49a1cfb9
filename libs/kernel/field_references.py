"""References to custom fields of contacts: in conditions, in templates, and in the data that a workflow step writes."""

from typing import Any

from libs.kernel.liquid import data_keys_in

WRITING_MEMBERS = ("data", "updates")
"""Members of a workflow step's configuration that hold the data it writes."""


def refers_to_field(document: object, key: str) -> bool:
    """Return whether a JSON document (a condition, a mail's content, a step's configuration) refers to the field."""
    pending = [document]
    while pending:
        part = pending.pop()
        match part:
            case str() if "{" in part and key in part and key in data_keys_in(part):
                return True
            case dict() if _filters(part, key) or _writes(part, key):
                return True
            case dict():
                pending += part.values()
            case list():
                pending += part
    return False


def _filters(part: dict[str, Any], key: str) -> bool:
    """Return whether the object is a filter on the field or on a path inside its value."""
    field = part.get("field")
    if not isinstance(field, str):
        return False
    name = field.removeprefix("contact.")
    return name == f"data.{key}" or name.startswith(f"data.{key}.")


def _writes(part: dict[str, Any], key: str) -> bool:
    return any(isinstance(written := part.get(name), dict) and key in written for name in WRITING_MEMBERS)
