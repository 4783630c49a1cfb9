"""The framework's findings in path, query and an absent body as field errors of the API."""

from typing import Any

from libs.kernel.field_errors import field_error
from libs.schemas.base import FieldError


def parameter_errors(extra: Any) -> list[FieldError]:
    """Return a field error for each of the framework's findings."""
    found = extra if isinstance(extra, list) else []
    return [_parameter_error(each.get("key", ""), each.get("message", "")) for each in found]


def _parameter_error(key: str, text: str) -> FieldError:
    if key == "data":
        return FieldError(field="", message="A JSON body is required", code="required")
    first, *others = key.rstrip("_").split("_")
    return field_error(first + "".join(other.capitalize() for other in others), text)
