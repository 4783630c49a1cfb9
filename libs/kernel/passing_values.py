"""Values of data that are only passing through: `{"value": .., "persistent": false}`. Pure.

Such a value fills the mail or the event that it came with and is not kept in the contact's data. With
`"persistent": true` it is an ordinary value, written at length.
"""

from typing import Any

from libs.schemas.base import Data


def is_wrapped(given: object) -> bool:
    return isinstance(given, dict) and "value" in given and isinstance(given.get("persistent"), bool)


def is_passing(given: Any) -> bool:
    """Return whether the value must not be kept."""
    return is_wrapped(given) and not given["persistent"]


def value_of(given: Any) -> Any:
    """Return the value, without its wrapping if it has one."""
    return given["value"] if is_wrapped(given) else given


def unwrapped(data: Data) -> Data:
    """Return the data as mails and events show it."""
    return {key: value_of(given) for key, given in data.items()}
