"""The data keys of data subjects, which encrypt their personal data in the event log (see `encryption`).

The table `person_key` is kept apart from everything else, so that it can be left out of backups that are kept longer
than personal data may be.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.runtime.eventstore.envelope import Envelope

KEY_BYTES = 32
MAX_CIPHERS = 4096
"""Consecutive events are often about one contact, and setting up a cipher costs as much as using it."""
# A scalar sub-query is looked up row by row; for a join the planner may read the whole table instead. An erased key is
# returned as an empty one.
LOAD_KEYS = """
select project, person, (
    select coalesce(person_key.key, '') from person_key
    where person_key.project = wanted.project and person_key.person = wanted.person
) as key
from unnest($1::uuid[], $2::uuid[]) as wanted (project, person)
"""
# Creates the missing keys, in the same order everywhere so that two replicas cannot deadlock. Returns the subjects that
# had a key; a key that another transaction created at the same moment is missing from the result.
CREATE_MISSING_KEYS = """
with created as (
    insert into person_key (project, person, key)
    select * from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as new (project, person, key) order by project, person
    on conflict do nothing
    returning project, person
)
select project, person, (
    select coalesce(person_key.key, '') from person_key
    where person_key.project = wanted.project and person_key.person = wanted.person
) as key
from unnest($1::uuid[], $2::uuid[]) as wanted (project, person)
where (project, person) not in (select project, person from created)
"""
ERASE_KEYS = """
insert into person_key (project, person, key)
select project, person, null from unnest($1::uuid[], $2::uuid[]) as erased (project, person) order by project, person
on conflict (project, person) do update set key = null where person_key.key is not null
"""
DataSubject = tuple[UUID, UUID]
"""Project and contact."""
DataKeys = Mapping[DataSubject, AESGCM | None]
"""The ciphers of data subjects. None stands for an erased key; a subject without a key yet is not in it."""


class Database(Protocol):
    """A connection or a pool."""

    async def fetch(self, query: str, *args: Any) -> Any: ...

    async def execute(self, query: str, *args: Any) -> Any: ...


async def erase_data_keys(conn: Database, subjects: Collection[DataSubject]) -> None:
    """Erase the keys of data subjects: their data in the log becomes unreadable, and no new data is stored."""
    if subjects:
        await conn.execute(ERASE_KEYS, *_columns(subjects))


def forgotten_subjects(events: Iterable[Envelope[Any]]) -> set[DataSubject]:
    """Return the data subjects that these events say to forget."""
    return {(event.project, event.message.contact_id) for event in events if event.message.forgets}


async def load_keys(conn: Database, subjects: Collection[DataSubject]) -> dict[DataSubject, AESGCM | None]:
    """Return the keys that exist."""
    return _keys_in(await conn.fetch(LOAD_KEYS, *_columns(subjects)))


async def ensure_keys(conn: Database, subjects: Collection[DataSubject]) -> DataKeys:
    """Return the keys of the data subjects, after creating those that are missing."""
    new = dict(zip(subjects, _random(len(subjects), KEY_BYTES), strict=True))
    rows = await conn.fetch(CREATE_MISSING_KEYS, *_columns(subjects), list(new.values()))
    existing = {(row["project"], row["person"]) for row in rows}
    keys = {subject: _cipher(key) for subject, key in new.items() if subject not in existing} | _keys_in(rows)
    missing = existing - keys.keys()
    return keys | await load_keys(conn, missing) if missing else keys


def _keys_in(rows: Iterable[Any]) -> dict[DataSubject, AESGCM | None]:
    found = ((row["project"], row["person"], row["key"]) for row in rows)
    return {(project, contact): _cipher(key) if key else None for project, contact, key in found if key is not None}


@lru_cache(MAX_CIPHERS)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def _random(count: int, size: int) -> list[bytes]:
    """Return random values from one system call: a call for each would cost more than using them."""
    drawn = os.urandom(count * size)
    return [drawn[start : start + size] for start in range(0, len(drawn), size)]


def _columns(subjects: Iterable[DataSubject]) -> tuple[list[UUID], list[UUID]]:
    pairs = list(subjects)
    return [project for project, _ in pairs], [contact for _, contact in pairs]
