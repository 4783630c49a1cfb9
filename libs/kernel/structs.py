"""Copying fields between structs that have fields of the same name. Pure."""

from typing import Any, TypeVar

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


def shared_fields(source: msgspec.Struct, target: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the values of those fields of `source` that `target` has, too."""
    return {name: getattr(source, name) for name in source.__struct_fields__ if name in target.__struct_fields__}


def given_fields(patch: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of a patch that are not UNSET."""
    fields = {name: getattr(patch, name) for name in patch.__struct_fields__}
    return {name: value for name, value in fields.items() if value is not msgspec.UNSET}


def with_fields(struct: S, given: dict[str, Any]) -> S:
    """Return the struct with those of the given fields that it has."""
    changes = {name: value for name, value in given.items() if name in struct.__struct_fields__}
    return msgspec.structs.replace(struct, **changes)
