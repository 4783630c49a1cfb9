"""What the log knows of people is kept under a key for each of them. Who is to be forgotten loses the key.

An event's class names its `personal` members. The log keeps them blank and, beside them under `_sealed`, encrypted
with the person's key (AES-256-GCM; project, person and event are authenticated with it). So a row of the log is a
valid event by itself, about nobody; `reveal` makes it whole again as long as the key is there. Events on the bus and in
memory are always whole. Forgetting costs one row, whatever the length of the log; the log itself is never rewritten.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import NODEFAULT
from msgspec.structs import replace

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.uuids import uuid_of
from libs.schemas.base import Event

SEALED = "_sealed"
MARK = b'"_sealed"'
MEMBER = b',"_sealed":'
ERASED = b'"_sealed": null'
WHO = "contactId"
KEY_BYTES = 32
NONCE_BYTES = 12
CIPHERS_KEPT = 4096
"""Several events in a row tell of one person; setting up a cipher costs as much as using it."""
# A scalar sub-query is looked up row by row; for a join the planner may read the whole table instead. A key that was
# taken away comes as an empty one.
LOAD_KEYS = """
select project, person, (
    select coalesce(person_key.key, '') from person_key
    where person_key.project = wanted.project and person_key.person = wanted.person
) as key
from unnest($1::uuid[], $2::uuid[]) as wanted (project, person)
"""
# A key for everyone who has none; in one order everywhere, so that two replicas cannot wait for each other. The answer
# is about those who had one; a key that another transaction made at the same moment is missing in it.
CREATE_MISSING_KEYS = """
with made as (
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
where (project, person) not in (select project, person from made)
"""
ERASE_KEYS = """
insert into person_key (project, person, key)
select project, person, null from unnest($1::uuid[], $2::uuid[]) as gone (project, person) order by project, person
on conflict (project, person) do update set key = null where person_key.key is not null
"""
DataSubject = tuple[UUID, UUID]
"""Project and contact."""
_parts: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
DataKeys = Mapping[DataSubject, AESGCM | None]
"""None for those who are forgotten. Someone of whom nothing was written yet is not in it."""


class Database(Protocol):
    """A connection or a pool."""

    async def fetch(self, query: str, *args: Any) -> Any: ...

    async def execute(self, query: str, *args: Any) -> Any: ...


class LoggedEvent(msgspec.Struct, frozen=True):
    """An event as the log has it."""

    id: UUID
    project: UUID
    body: bytes


async def encrypt(conn: Database, events: Sequence[Envelope[Event]]) -> list[bytes]:
    """The bodies of new events as the log keeps them. Of those who are forgotten it keeps nothing personal."""
    people = {person for event in events for person in _people(event)}
    keys = await _made(conn, people) if people else {}
    return [_encrypted_event(event, keys) for event in events]


async def decrypt(conn: Database, written: Sequence[LoggedEvent]) -> list[bytes]:
    """The bodies of events as they were appended, but blank where they tell of someone who is forgotten."""
    parts = {n: _parts.decode(each.body) for n, each in enumerate(written) if MARK in each.body}
    sealed = {n: EncryptedEvent(written[n], part) for n, part in parts.items() if SEALED in part}
    people = {person for each in sealed.values() for person in each.people()}
    keys = await load_keys(conn, people) if people else {}
    return [sealed[n].decrypted(keys) if n in sealed else each.body for n, each in enumerate(written)]


async def erase_data_keys(conn: Database, people: Collection[DataSubject]) -> None:
    """Forget these people: nothing that the log knows of them can be read again, and nothing new is kept."""
    if people:
        await conn.execute(ERASE_KEYS, *_columns(people))


def forgotten_subjects(events: Iterable[Envelope[Any]]) -> set[DataSubject]:
    """Whom these events are the last to tell of."""
    return {(event.project, event.message.contact_id) for event in events if event.message.forgets}


async def load_keys(conn: Database, people: Collection[DataSubject]) -> dict[DataSubject, AESGCM | None]:
    """The keys that there are."""
    return _keys(await conn.fetch(LOAD_KEYS, *_columns(people)))


async def _made(conn: Database, people: Collection[DataSubject]) -> DataKeys:
    """Everyone's key; those who have none get one."""
    drawn = dict(zip(people, _random(len(people), KEY_BYTES), strict=True))
    rows = await conn.fetch(CREATE_MISSING_KEYS, *_columns(people), list(drawn.values()))
    had = {(row["project"], row["person"]) for row in rows}
    keys = {person: _cipher(key) for person, key in drawn.items() if person not in had} | _keys(rows)
    missing = had - keys.keys()
    return keys | await load_keys(conn, missing) if missing else keys


def _keys(rows: Iterable[Any]) -> dict[DataSubject, AESGCM | None]:
    found = ((row["project"], row["person"], row["key"]) for row in rows)
    return {(project, person): _cipher(key) if key else None for project, person, key in found if key is not None}


@lru_cache(CIPHERS_KEPT)
def _cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def _random(count: int, size: int) -> list[bytes]:
    """So many random values, at one go: asking the system for each costs more than using it."""
    drawn = os.urandom(count * size)
    return [drawn[start : start + size] for start in range(0, len(drawn), size)]


def _people(event: Envelope[Event]) -> Iterator[DataSubject]:
    message: Any = event.message
    if message.personal_list:
        yield from ((event.project, each.contact_id) for each in getattr(message, message.personal_list))
    elif message.personal:
        yield event.project, message.contact_id


@cache
def _members(kind: type[Event]) -> Sequence[tuple[str, str, Any]]:
    """The personal members of a class of events: their names in JSON, in Python, and what they are if not told."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    return [(name, fields[name].name, fields[name].default) for name in kind.personal]


def _encrypted_event(event: Envelope[Event], keys: DataKeys) -> bytes:
    message = event.message
    if not message.personal:
        return encode(message)
    if message.personal_list:
        return _encrypted_list(event, keys)
    person = next(_people(event))
    told = {name: getattr(message, attribute) for name, attribute, _ in _members(type(message))}
    blank = {attribute: _blank(told[name], default) for name, attribute, default in _members(type(message))}
    sealed = _encrypted(told, person, event, keys)
    # an object of JSON with one more member at its end
    return encode(replace(message, **blank))[:-1] + MEMBER + encode(sealed) + b"}"


def _encrypted_list(event: Envelope[Event], keys: DataKeys) -> bytes:
    message = event.message
    body: dict[str, Any] = msgspec.to_builtins(message)
    sealed = {}
    for each in body[message.personal_list]:
        told = {name: each[name] for name in message.personal}
        sealed[each[WHO]] = _encrypted(told, (event.project, UUID(each[WHO])), event, keys)
        each |= {name: _blank(value, NODEFAULT) for name, value in told.items()}
    return encode(body | {SEALED: {message.personal_list: sealed}})


def _blank(value: object, default: object) -> object:
    """What the log has in the place of a personal member."""
    if default is not NODEFAULT:
        return default
    return type(value)() if isinstance(value, str | dict) else type(msgspec.to_builtins(value))()


def _encrypted(told: dict[str, Any], person: DataSubject, event: Envelope[Event], keys: DataKeys) -> str | None:
    """None if the person is forgotten."""
    key = keys.get(person)
    if key is None:
        return None
    nonce = os.urandom(NONCE_BYTES)
    return b64encode(nonce + key.encrypt(nonce, encode(told), _context(person, event.id))).decode()


class EncryptedEvent:
    """An event as the log has it, of which parts are encrypted. What is not is never looked into."""

    def __init__(self, written: LoggedEvent, parts: dict[str, msgspec.Raw]) -> None:
        self._logged = written
        self._parts = parts
        self._sealed: Any = msgspec.json.decode(parts.pop(SEALED))

    def people(self) -> Iterator[DataSubject]:
        """Whose keys it takes."""
        if isinstance(self._sealed, dict):
            yield from (self._person(who) for by_person in self._sealed.values() for who in by_person)
        elif self._sealed:
            yield self._person(msgspec.json.decode(self._parts[WHO]))

    def decrypted(self, keys: DataKeys) -> bytes:
        """The event as it was appended; blank where the key is gone."""
        if isinstance(self._sealed, dict):
            return encode(self._parts | {name: self._list(name, sealed, keys) for name, sealed in self._sealed.items()})
        if self._sealed:
            return encode(self._parts | self._opened(self._sealed, next(self.people()), keys))
        return encode(self._parts)

    def _list(self, name: str, sealed: Mapping[str, str | None], keys: DataKeys) -> list[dict[str, msgspec.Raw]]:
        items: list[dict[str, msgspec.Raw]] = msgspec.json.decode(self._parts[name], type=list[dict[str, msgspec.Raw]])
        people: list[str] = [msgspec.json.decode(each[WHO]) for each in items]
        return [
            each | self._opened(sealed.get(who), self._person(who), keys)
            for who, each in zip(people, items, strict=True)
        ]

    def _person(self, who: str) -> DataSubject:
        return self._logged.project, uuid_of(who)

    def _opened(self, sealed: str | None, person: DataSubject, keys: DataKeys) -> dict[str, msgspec.Raw]:
        key = keys.get(person)
        if key is None or sealed is None:
            return {}
        raw = b64decode(sealed)
        try:
            plain = key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _context(person, self._logged.id))
        except InvalidTag as forged:
            raise CorruptedEvent(f"event {self._logged.id} was changed after it was written") from forged
        return _parts.decode(plain)


class CorruptedEvent(Exception):
    """What the log holds is not what was written there."""


def _context(person: DataSubject, event_id: UUID) -> bytes:
    project, who = person
    return project.bytes + who.bytes + event_id.bytes


def _columns(people: Iterable[DataSubject]) -> tuple[list[UUID], list[UUID]]:
    pairs = list(people)
    return [project for project, _ in pairs], [person for _, person in pairs]
