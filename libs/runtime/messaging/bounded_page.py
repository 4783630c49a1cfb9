"""Pages of a list that fit into one reply on the bus."""

from collections.abc import Sequence
from typing import TypeVar

from libs.runtime.eventstore.codec import encode
from libs.schemas.base import View

V = TypeVar("V", bound=View)

MAX_PAGE_BYTES = 700_000
"""A message on the bus has at most 1 MiB, and the data of one contact at most 128 KiB."""


def fitting(views: Sequence[V]) -> list[V]:
    """Return as many views from the start as fit into one reply, and at least one."""
    kept: list[V] = []
    size = 0
    for view in views:
        size += len(encode(view))
        if kept and size > MAX_PAGE_BYTES:
            break
        kept.append(view)
    return kept


def exceeds_page(views: Sequence[View]) -> bool:
    """Return whether the views are too large for one reply."""
    return len(encode(views)) > MAX_PAGE_BYTES
