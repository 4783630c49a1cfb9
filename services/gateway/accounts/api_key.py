"""The decider of API keys: each is issued once and may be revoked, for good. Pure."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from libs.kernel.rejection import Rejected
from libs.schemas.gateway import IssueKey, KeyIssued, KeyKind, KeyRevoked, RevokeKey

Command: TypeAlias = IssueKey | RevokeKey
Fact: TypeAlias = KeyIssued | KeyRevoked


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is None for a key that does not exist, `project` for one that was only just issued.

    `from_settings`: the key was issued because GODWIT_BOOTSTRAP_SECRET_KEY or GODWIT_BOOTSTRAP_PUBLIC_KEY named it.
    """

    project: UUID | None = None
    id: UUID | None = None
    kind: KeyKind = "secret"
    fingerprint: str = ""
    hint: str = ""
    from_settings: bool = False
    revoked: bool = False


INITIAL = ApiKey()


def decide(command: Command, key: ApiKey, _: datetime) -> list[Fact]:
    """Return the events of the command, none if it changes nothing. Raise Rejected."""
    if isinstance(command, IssueKey):
        if key.id is not None:
            return []
        return [KeyIssued(key_id=command.key_id, kind=command.kind, fingerprint=command.fingerprint, hint=command.hint)]
    if key.id is None:
        raise Rejected("KEY_NOT_FOUND", "API key not found")
    return [] if key.revoked else [KeyRevoked(key_id=command.key_id)]


def evolve(key: ApiKey, event: Fact) -> ApiKey:
    if isinstance(event, KeyRevoked):
        return msgspec.structs.replace(key, revoked=True)
    return ApiKey(id=event.key_id, kind=event.kind, fingerprint=event.fingerprint, hint=event.hint)
