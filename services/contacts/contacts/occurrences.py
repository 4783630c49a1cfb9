"""Aggregates a batch's events into counters: how often, when first and when last each happened to each contact."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec

Occurrence = tuple[UUID, UUID, str, datetime]
"""A project, a contact, the name of an event, and its time."""


class _Counter(msgspec.Struct):
    count: int
    first_at: datetime
    last_at: datetime


def columns(occurrences: Iterable[Occurrence]) -> tuple[list[object], ...]:
    """Return one list per column: project, contact_id, name, count, first_at, last_at; six empty ones for no events.

    The rows are always in the same order, so replicas that count the same contacts wait instead of deadlocking.
    """
    counters: dict[tuple[UUID, UUID, str], _Counter] = {}
    for project, contact, name, at in occurrences:
        counter = counters.setdefault((project, contact, name), _Counter(0, at, at))
        counter.count += 1
        counter.first_at, counter.last_at = min(counter.first_at, at), max(counter.last_at, at)
    rows = [
        (project, contact, name, counter.count, counter.first_at, counter.last_at)
        for (project, contact, name), counter in sorted(counters.items(), key=_order)
    ]
    return tuple([row[column] for row in rows] for column in range(6))


def _order(item: tuple[tuple[UUID, UUID, str], _Counter]) -> tuple[bytes, bytes, str]:
    """Return the sort key that gives the order of Postgres; comparing UUIDs themselves is slow."""
    (project, contact, name), _ = item
    return project.bytes, contact.bytes, name
