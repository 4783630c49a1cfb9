"""Types of fields and parameters that several routes share."""

from typing import Annotated
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Meta

from libs.kernel.field_errors import EMAIL, NO_NUL, ONE_LINE
from services.gateway.http.errors import not_found

Email = Annotated[str, Meta(max_length=254, pattern=EMAIL, examples=["ada@example.com"])]
Name = Annotated[str, Meta(min_length=1, max_length=100, examples=["Welcome"])]
Line = Annotated[str, Meta(min_length=1, max_length=998, pattern=ONE_LINE, examples=["Welcome, {{ firstName }}"])]
"""One line of a mail's header, such as a subject."""
Text = Annotated[str, Meta(min_length=1, examples=["<p>Hello {{ firstName }}</p>"])]

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="Items on a page")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=500, pattern=NO_NUL, description="The `cursor` of the page before")
]
PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=100_000, description="Pages count from 1")]
PageSize = Annotated[int, QueryParameter(name="pageSize", ge=1, le=100, description="Items on a page")]


def parse_id(text: str, what: str) -> UUID:
    """The id in a path. What is no id of ours names nothing: raises the Problem that says so of `what`."""
    try:
        return UUID(text)
    except ValueError:
        raise not_found(what) from None
