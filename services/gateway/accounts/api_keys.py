"""Handle the commands about API keys."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection
from libs.schemas.base import Command
from libs.schemas.gateway import KeyView
from services.gateway.accounts import api_key
from services.gateway.accounts.api_key import ApiKey
from services.gateway.accounts.read_models import api_key as rows


def _key(envelope: Envelope[Any]) -> tuple[UUID, UUID]:
    return envelope.project, envelope.message.key_id


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> Mapping[Hashable, Loaded[ApiKey]]:
    found = await rows.load(conn, [_key(envelope) for envelope in envelopes])
    return {
        (key.project, key.id): Loaded(state=key, stream=f"key-{key.id}", version=2 if key.revoked else 1)
        for key in found
    }


def _reply(_: Envelope[Any], key: ApiKey, __: Sequence[Any], ___: datetime) -> KeyView:
    assert key.id
    return KeyView(id=key.id, kind=key.kind, hint=key.hint, revoked=key.revoked)


change_keys = Aggregate(api_key, key=_key, load=_load, reply=_reply)
COMMANDS: Mapping[type[Command], BatchHandler] = dict.fromkeys(get_args(api_key.Command), change_keys)
