"""How often things happened to contacts, and when first and last: gathered from a batch, as columns for a table."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

Occurrence = tuple[UUID, UUID, str, datetime]
"""Project, contact, the name of what happened, when."""


class _Seen(msgspec.Struct):
    count: int
    first_at: datetime
    last_at: datetime


def columns(occurrences: Iterable[Occurrence]) -> tuple[list[object], ...]:
    """One list a column: project, contact_id, name, count, first_at, last_at; all six empty when nothing happened.

    The rows come in one order everywhere, so that replicas that count the same contacts wait instead of deadlocking.
    """
    seen: dict[tuple[UUID, UUID, str], _Seen] = {}
    for project, contact, name, at in occurrences:
        counter = seen.setdefault((project, contact, name), _Seen(0, at, at))
        counter.count += 1
        counter.first_at, counter.last_at = min(counter.first_at, at), max(counter.last_at, at)
    rows = [
        (project, contact, name, counter.count, counter.first_at, counter.last_at)
        for (project, contact, name), counter in sorted(seen.items(), key=_order)
    ]
    return tuple([row[column] for row in rows] for column in range(6))


def _order(item: tuple[tuple[UUID, UUID, str], _Seen]) -> tuple[bytes, bytes, str]:
    """As Postgres has it; UUIDs themselves are slow to compare."""
    (project, contact, name), _ = item
    return project.bytes, contact.bytes, name
