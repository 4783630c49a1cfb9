"""Commands on templates: load what they decide on, and reply with the API's views."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from msgspec.structs import replace

from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection
from libs.schemas.base import Command as AnyCommand
from libs.schemas.campaigns.base import Deleted
from libs.schemas.campaigns.templates import DeleteTemplate, DuplicateTemplate, RestoreTemplate, TemplateView
from services.campaigns.campaigns.read_models import campaign as campaign_rows
from services.campaigns.content.verified_domains import load_verified_domains
from services.campaigns.templates import template, versions
from services.campaigns.templates.read_models import template as template_rows
from services.campaigns.templates.template import Command, Template
from services.campaigns.templates.views import template_view

Key = tuple[UUID, UUID]


def _key(envelope: Envelope[Any]) -> Key:
    return envelope.project, envelope.message.template_id


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> Mapping[Hashable, Loaded[template.State]]:
    keys = {_key(envelope) for envelope in envelopes}
    originals = {_key(e): (e.project, e.message.original_id) for e in envelopes if type(e.message) is DuplicateTemplate}
    deleted = {_key(e) for e in envelopes if type(e.message) is DeleteTemplate}
    restored = [(*_key(e), e.message.version) for e in envelopes if type(e.message) is RestoreTemplate]
    stored = await template_rows.load(conn, keys | set(originals.values()))
    senders = {(project, state.current.content.from_email) for (project, _), state in stored.items()}
    domains = await load_verified_domains(conn, envelopes, senders)
    used = await campaign_rows.made_of(conn, deleted)
    past = await versions.load(conn, restored)
    found: dict[Hashable, Loaded[template.State]] = {}
    for key in keys:
        before, original = stored.get(key), stored.get(originals.get(key, key))
        state: template.State = (
            replace(
                before,
                verified_domains=domains[key[0]],
                campaigns=used.get(key, 0),
                past=past.get(key, {}),
            )
            if before
            else template.Absent(original=original.current if original else None, verified_domains=domains[key[0]])
        )
        found[key] = Loaded(state=state, stream=f"template-{key[1]}", version=before.version if before else 0)
    return found


def _reply(
    envelope: Envelope[Any], state: template.State, events: Sequence[Any], now: datetime
) -> TemplateView | Deleted:
    if not isinstance(state, Template):
        return Deleted(id=envelope.message.template_id)
    return template_view(replace(state, updated_at=now) if events else state, now)


HANDLER: BatchHandler = Aggregate(template, key=_key, load=_load, reply=_reply)
COMMANDS: Mapping[type[AnyCommand], BatchHandler] = dict.fromkeys(get_args(Command), HANDLER)
