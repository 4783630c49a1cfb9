"""Paging as AWS does it: a page size, and a token that hides the key after which the next page starts."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any

from deploy.sandbox.http.asgi import ApiError


def page_of(size: str | int | None, token: str | None, *, largest: int) -> tuple[int, str]:
    """Return the number of items, and the key after which they start."""
    try:
        limit = int(size) if size is not None else largest
        after = base64.urlsafe_b64decode(token or "").decode()
    except (ValueError, binascii.Error):
        raise ApiError(400, "InvalidNextTokenException", "The specified NextToken or PageSize is not valid.") from None
    return max(1, min(limit, largest)), after


# Any: rows as sqlite3 returns them; the first column is the key.
def page(name: str, rows: Sequence[Any], limit: int, shown: Callable[..., object]) -> dict[str, object]:
    """Return the response for up to `limit` rows. One row more than that means that there is a next page."""
    response: dict[str, object] = {name: [shown(*row) for row in rows[:limit]]}
    if len(rows) > limit:
        response["NextToken"] = base64.urlsafe_b64encode(rows[limit - 1][0].encode()).decode()
    return response
