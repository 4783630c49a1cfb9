"""What the log knows of people is kept under a key for each of them. Who is to be forgotten loses the key.

An event's class names its `personal` members. The log keeps them blank and, beside them under `_sealed`, encrypted
with the person's key (AES-256-GCM; project, person and event are authenticated with it). So a row of the log is a
valid event by itself, about nobody; `reveal` makes it whole again as long as the key is there. Events on the bus and in
memory are always whole. Forgetting costs one row, whatever the length of the log; the log itself is never rewritten.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import NODEFAULT
from msgspec.structs import replace
from nats.aio.client import Client

from libs.runtime.codec import encode
from libs.runtime.envelope import Envelope
from libs.runtime.publisher import Outgoing, Publisher
from libs.schemas.base import Event

SEALED = "_sealed"
MARK = b'"_sealed"'
WHO = "contactId"
KEY_BITS = 256
NONCE_BYTES = 12

# A scalar sub-query is looked up row by row; for a join the planner may read the whole table instead. A key that was
# taken away comes as an empty one.
FIND = """
select project, person, (
    select coalesce(person_key.key, '') from person_key
    where person_key.project = wanted.project and person_key.person = wanted.person
) as key
from unnest($1::uuid[], $2::uuid[]) as wanted (project, person)
"""
# Everyone's key, new or not, at one go; in one order everywhere, so that two replicas cannot wait for each other. Keys
# that another transaction made at the same moment are missing in the answer.
MAKE = """
with made as (
    insert into person_key (project, person, key)
    select * from unnest($1::uuid[], $2::uuid[], $3::bytea[]) as new (project, person, key) order by project, person
    on conflict do nothing
    returning project, person, key
)
select project, person, key from made
union all
select project, person, (
    select coalesce(person_key.key, '') from person_key
    where person_key.project = wanted.project and person_key.person = wanted.person
)
from unnest($1::uuid[], $2::uuid[]) as wanted (project, person)
"""
ERASE = """
insert into person_key (project, person, key)
select project, person, null from unnest($1::uuid[], $2::uuid[]) as gone (project, person) order by project, person
on conflict (project, person) do update set key = null where person_key.key is not null
"""

Person = tuple[UUID, UUID]
"""Project and contact."""

Keys = Mapping[Person, AESGCM | None]
"""None for those who are forgotten. Someone of whom nothing was written yet is not in it."""


class Database(Protocol):
    """A connection or a pool."""

    async def fetch(self, query: str, *args: Any) -> Any: ...

    async def execute(self, query: str, *args: Any) -> Any: ...


class Written(msgspec.Struct, frozen=True):
    """An event as the log has it."""

    id: UUID
    project: UUID
    body: bytes


async def seal(conn: Database, events: Sequence[Envelope[Event]]) -> list[bytes]:
    """The bodies of new events as the log keeps them. Of those who are forgotten it keeps nothing personal."""
    people = {person for event in events for person in _people(event)}
    keys = await _made(conn, people) if people else {}
    return [_sealed(event, keys) for event in events]


async def reveal(conn: Database, written: Sequence[Written]) -> list[bytes]:
    """The bodies of events as they were appended, but blank where they tell of someone who is forgotten."""
    parts = {n: msgspec.json.decode(each.body) for n, each in enumerate(written) if MARK in each.body}
    people = {(written[n].project, UUID(who)) for n, part in parts.items() for who in _sealed_people(part)}
    keys = await find(conn, people) if people else {}
    return [_revealed(each, parts[n], keys) if n in parts else each.body for n, each in enumerate(written)]


async def erase(conn: Database, people: Collection[Person]) -> None:
    """Forget these people: nothing that the log knows of them can be read again, and nothing new is kept."""
    if people:
        await conn.execute(ERASE, *_columns(people))


def forgotten(events: Iterable[Envelope[Any]]) -> set[Person]:
    """Whom these events are the last to tell of."""
    return {(event.project, event.message.contact_id) for event in events if event.message.forgets}


async def find(conn: Database, people: Collection[Person]) -> dict[Person, AESGCM | None]:
    """The keys that there are."""
    return _keys(await conn.fetch(FIND, *_columns(people)))


class RevealingPublisher(Publisher):
    """Publishes rows of the log as whole events."""

    def __init__(self, client: Client, stream: str, database: Database) -> None:
        super().__init__(client, stream)
        self._database = database

    async def publish(self, messages: Sequence[Outgoing]) -> int:
        written = [_written(message) for message in messages]
        bodies = await reveal(self._database, written)
        return await super().publish([replace(m, body=body) for m, body in zip(messages, bodies, strict=True)])


def _written(message: Outgoing) -> Written:
    headers = message.headers
    return Written(UUID(headers["ce-id"]), UUID(headers["godwit-project"]), message.body)


async def _made(conn: Database, people: Collection[Person]) -> Keys:
    """Everyone's key; those who have none get one."""
    fresh = [AESGCM.generate_key(KEY_BITS) for _ in people]
    keys = _keys(await conn.fetch(MAKE, *_columns(people), fresh))
    missing = set(people) - keys.keys()
    return keys | await find(conn, missing) if missing else keys


def _keys(rows: Iterable[Any]) -> dict[Person, AESGCM | None]:
    found = ((row["project"], row["person"], row["key"]) for row in rows)
    return {(project, person): AESGCM(key) if key else None for project, person, key in found if key is not None}


def _people(event: Envelope[Event]) -> Iterator[Person]:
    message: Any = event.message
    if message.people:
        yield from ((event.project, each.contact_id) for each in getattr(message, message.people))
    elif message.personal:
        yield event.project, message.contact_id


@cache
def _defaults(kind: type[Event]) -> Mapping[str, Any]:
    """What members are that an event does not tell, by their names in JSON."""
    return {
        field.encode_name: field.default for field in msgspec.structs.fields(kind) if field.default is not NODEFAULT
    }


def _sealed(event: Envelope[Event], keys: Keys) -> bytes:
    message = event.message
    if not message.personal:
        return encode(message)
    body: dict[str, Any] = msgspec.to_builtins(message)
    if message.people:
        sealed = {each[WHO]: _take_out(each, message.personal, event, keys) for each in body[message.people]}
        body[SEALED] = {message.people: sealed}
    else:
        body[SEALED] = _take_out(body, message.personal, event, keys)
    return encode(body)


def _take_out(part: dict[str, Any], names: Iterable[str], event: Envelope[Event], keys: Keys) -> str | None:
    """Blank what is personal in the part; answers it, encrypted. None if the person is forgotten."""
    personal = {name: part[name] for name in names}
    blank = _defaults(type(event.message))
    part |= {name: blank.get(name, type(value)()) for name, value in personal.items()}
    person = event.project, UUID(part[WHO])
    key = keys.get(person)
    if key is None:
        return None
    nonce = os.urandom(NONCE_BYTES)
    return b64encode(nonce + key.encrypt(nonce, encode(personal), _context(person, event.id))).decode()


def _revealed(written: Written, body: dict[str, Any], keys: Keys) -> bytes:
    sealed = body.pop(SEALED, None)
    if isinstance(sealed, dict):
        for name, by_person in sealed.items():
            for each in body[name]:
                each |= _opened(by_person.get(each[WHO]), (written.project, UUID(each[WHO])), written.id, keys)
    elif sealed:
        body |= _opened(sealed, (written.project, UUID(body[WHO])), written.id, keys)
    return encode(body)


def _opened(sealed: str | None, person: Person, event_id: UUID, keys: Keys) -> dict[str, Any]:
    key = keys.get(person)
    if key is None or sealed is None:
        return {}
    raw = b64decode(sealed)
    try:
        plain = key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _context(person, event_id))
    except InvalidTag as forged:
        raise Damaged(f"event {event_id} was changed after it was written") from forged
    opened: dict[str, Any] = msgspec.json.decode(plain)
    return opened


class Damaged(Exception):
    """What the log holds is not what was written there."""


def _sealed_people(body: dict[str, Any]) -> Iterator[str]:
    sealed = body.get(SEALED)
    if isinstance(sealed, dict):
        for by_person in sealed.values():
            yield from by_person
    elif sealed:
        yield body[WHO]


def _context(person: Person, event_id: UUID) -> bytes:
    project, who = person
    return project.bytes + who.bytes + event_id.bytes


def _columns(people: Iterable[Person]) -> tuple[list[UUID], list[UUID]]:
    pairs = list(people)
    return [project for project, _ in pairs], [person for _, person in pairs]
