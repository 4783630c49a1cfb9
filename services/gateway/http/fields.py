"""Types of body fields that several routes share. Pure."""

from typing import Annotated
from uuid import UUID

from msgspec import Meta

from libs.kernel.field_errors import EMAIL, ONE_LINE
from services.gateway.http.errors import not_found

Email = Annotated[str, Meta(max_length=254, pattern=EMAIL, examples=["ada@example.com"])]
Name = Annotated[str, Meta(min_length=1, max_length=100, examples=["Welcome"])]
Description = Annotated[str, Meta(max_length=500)]
Line = Annotated[str, Meta(min_length=1, max_length=998, pattern=ONE_LINE, examples=["Welcome, {{ firstName }}"])]
"""One line of a mail's header, such as a subject."""
Text = Annotated[str, Meta(min_length=1, examples=["<p>Hello {{ firstName }}</p>"])]
SenderName = Annotated[str, Meta(max_length=100, pattern=ONE_LINE)]
EventName = Annotated[str, Meta(min_length=1, max_length=255, examples=["signed_up"])]

MAX_MAIL_BYTES = 900 * 1024
"""The largest body that carries a mail: the command made from it must fit into one bus message (1 MiB)."""


def parse_id(text: str, kind: str) -> UUID:
    """Return the id in a path. Raises ApiError (404 for this kind of resource) if it is not a UUID."""
    try:
        return UUID(text)
    except ValueError:
        raise not_found(kind) from None
