"""Query parameters that several routes share."""

from typing import Annotated

from litestar.params import QueryParameter

from libs.kernel.field_errors import NO_NUL

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="Items per page")]
Cursor = Annotated[
    str | None, QueryParameter(max_length=500, pattern=NO_NUL, description="The `cursor` of the previous page")
]
PageNumber = Annotated[int, QueryParameter(name="page", ge=1, le=100_000, description="The page, counted from 1")]
PageSize = Annotated[int, QueryParameter(name="pageSize", ge=1, le=100, description="Items per page")]
