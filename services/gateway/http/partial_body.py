"""Bodies of PATCH requests."""

from typing import TypeVar, cast

import msgspec
from msgspec import UNSET, UnsetType

from services.gateway.http.json_body import Body

B = TypeVar("B", bound=Body)


def partial(body: type[B]) -> type[B]:
    """Make the fields that a body inherits optional: one that is not given is UNSET.

    The fields and their rules are those of the full body. Type checkers see them as they are there, without UNSET.
    """
    fields = [
        (field.name, field.type, msgspec.field(default=field.default, name=field.encode_name))
        if field.name in body.__annotations__
        else (field.name, field.type | UnsetType, msgspec.field(default=UNSET, name=field.encode_name))
        for field in msgspec.structs.fields(body)
    ]
    made = msgspec.defstruct(
        body.__name__,
        fields,
        bases=(Body,),
        namespace={"__doc__": body.__doc__},
        module=body.__module__,
        frozen=True,
        kw_only=True,
    )
    return cast(type[B], made)
