"""Encryption of personal data in the event log, with one key per data subject. Deleting the key erases the data.

An event's class names its `personal` members. The log stores them blank, and next to them, under `_sealed`, encrypted
with the data key of the contact (AES-256-GCM; project, contact and event are authenticated with it). So a row of the
log is a valid event that is about nobody, and `decrypt` restores it as long as the key exists. Events on the bus and in
memory are always complete. Erasing costs one row, however long the log is; the log itself is never rewritten.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from msgspec import NODEFAULT
from msgspec.structs import replace

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.data_keys import Database, DataKeys, DataSubject, ensure_keys, load_keys
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.uuids import uuid_of
from libs.schemas.base import Event

ENCRYPTED = "_sealed"
ENCRYPTED_NAME = b'"_sealed"'
ENCRYPTED_MEMBER = b',"_sealed":'
ERASED = b'"_sealed": null'
"""Part of a row whose personal data was not stored, because its data subject was erased. As Postgres spells JSON."""
SUBJECT_ID = "contactId"
NONCE_BYTES = 12
_decode_members: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])


class LoggedEvent(msgspec.Struct, frozen=True):
    """An event as the log stores it."""

    id: UUID
    project: UUID
    body: bytes


async def encrypt(conn: Database, events: Sequence[Envelope[Event]]) -> list[bytes]:
    """Return the bodies of new events as the log stores them, without the personal data of erased subjects."""
    subjects = {subject for event in events for subject in _subjects_of(event)}
    keys = await ensure_keys(conn, subjects) if subjects else {}
    return [_encrypted_event(event, keys) for event in events]


async def decrypt(conn: Database, events: Sequence[LoggedEvent]) -> list[bytes]:
    """Return the bodies of events as they were appended, with the data of erased subjects left blank."""
    members = {n: _decode_members.decode(each.body) for n, each in enumerate(events) if ENCRYPTED_NAME in each.body}
    encrypted = {n: EncryptedEvent(events[n], found) for n, found in members.items() if ENCRYPTED in found}
    subjects = {subject for each in encrypted.values() for subject in each.subjects()}
    keys = await load_keys(conn, subjects) if subjects else {}
    return [encrypted[n].decrypted(keys) if n in encrypted else each.body for n, each in enumerate(events)]


def _subjects_of(event: Envelope[Event]) -> Iterator[DataSubject]:
    message: Any = event.message
    if message.personal_list:
        yield from ((event.project, each.contact_id) for each in getattr(message, message.personal_list))
    elif message.personal:
        yield event.project, message.contact_id


@cache
def _personal_members(kind: type[Event]) -> Sequence[tuple[str, str, Any]]:
    """Return the personal members of an event class: the name in JSON, the attribute and the default."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    return [(name, fields[name].name, fields[name].default) for name in kind.personal]


def _encrypted_event(event: Envelope[Event], keys: DataKeys) -> bytes:
    message = event.message
    if not message.personal:
        return encode(message)
    if message.personal_list:
        return _encrypted_list(event, keys)
    subject = next(_subjects_of(event))
    members = _personal_members(type(message))
    personal = {name: getattr(message, attribute) for name, attribute, _ in members}
    blanks = {attribute: _blank(personal[name], default) for name, attribute, default in members}
    # append one more member to the JSON object
    return (
        encode(replace(message, **blanks))[:-1]
        + ENCRYPTED_MEMBER
        + encode(_encrypted(personal, subject, event, keys))
        + b"}"
    )


def _encrypted_list(event: Envelope[Event], keys: DataKeys) -> bytes:
    message = event.message
    body: dict[str, Any] = msgspec.to_builtins(message)
    encrypted = {}
    for each in body[message.personal_list]:
        personal = {name: each[name] for name in message.personal}
        subject = event.project, UUID(each[SUBJECT_ID])
        encrypted[each[SUBJECT_ID]] = _encrypted(personal, subject, event, keys)
        each |= {name: _blank(value, NODEFAULT) for name, value in personal.items()}
    return encode(body | {ENCRYPTED: {message.personal_list: encrypted}})


def _blank(value: object, default: object) -> object:
    """Return what the log stores in place of a personal member."""
    if default is not NODEFAULT:
        return default
    return type(value)() if isinstance(value, str | dict) else type(msgspec.to_builtins(value))()


def _encrypted(personal: dict[str, Any], subject: DataSubject, event: Envelope[Event], keys: DataKeys) -> str | None:
    """Return the encrypted members, or None if the data subject was erased."""
    key = keys.get(subject)
    if key is None:
        return None
    nonce = os.urandom(NONCE_BYTES)
    return b64encode(nonce + key.encrypt(nonce, encode(personal), _context(subject, event.id))).decode()


class EncryptedEvent:
    """An event as the log stores it, with encrypted members. The other members are never decoded."""

    def __init__(self, logged: LoggedEvent, members: dict[str, msgspec.Raw]) -> None:
        self._logged = logged
        self._members = members
        self._encrypted: Any = msgspec.json.decode(members.pop(ENCRYPTED))

    def subjects(self) -> Iterator[DataSubject]:
        """Yield the data subjects whose keys are needed."""
        if isinstance(self._encrypted, dict):
            yield from (self._subject(contact) for items in self._encrypted.values() for contact in items)
        elif self._encrypted:
            yield self._subject(msgspec.json.decode(self._members[SUBJECT_ID]))

    def decrypted(self, keys: DataKeys) -> bytes:
        """Return the event as it was appended, with members blank whose key was erased."""
        if isinstance(self._encrypted, dict):
            lists = {name: self._decrypted_list(name, items, keys) for name, items in self._encrypted.items()}
            return encode(self._members | lists)
        if self._encrypted:
            return encode(self._members | self._decrypted_members(self._encrypted, next(self.subjects()), keys))
        return encode(self._members)

    def _decrypted_list(
        self, name: str, encrypted: Mapping[str, str | None], keys: DataKeys
    ) -> list[dict[str, msgspec.Raw]]:
        items: list[dict[str, msgspec.Raw]] = msgspec.json.decode(
            self._members[name], type=list[dict[str, msgspec.Raw]]
        )
        contacts: list[str] = [msgspec.json.decode(each[SUBJECT_ID]) for each in items]
        return [
            each | self._decrypted_members(encrypted.get(contact), self._subject(contact), keys)
            for contact, each in zip(contacts, items, strict=True)
        ]

    def _subject(self, contact: str) -> DataSubject:
        return self._logged.project, uuid_of(contact)

    def _decrypted_members(self, encrypted: str | None, subject: DataSubject, keys: DataKeys) -> dict[str, msgspec.Raw]:
        key = keys.get(subject)
        if key is None or encrypted is None:
            return {}
        raw = b64decode(encrypted)
        try:
            plain = key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _context(subject, self._logged.id))
        except InvalidTag as tampered:
            raise CorruptedEvent(f"event {self._logged.id} was changed after it was written") from tampered
        return _decode_members.decode(plain)


class CorruptedEvent(Exception):
    """Raised when an event in the log is not what was written there."""


def _context(subject: DataSubject, event_id: UUID) -> bytes:
    project, contact = subject
    return project.bytes + contact.bytes + event_id.bytes
