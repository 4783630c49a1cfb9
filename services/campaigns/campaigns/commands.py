"""Commands on campaigns and their timers: load what they decide on, and reply with the API's views."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from msgspec.structs import replace

from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection, UnitOfWork
from libs.schemas.base import Command as AnyCommand
from libs.schemas.base import Message
from libs.schemas.campaigns.ab_tests import VariantFigures
from libs.schemas.campaigns.base import Deleted
from libs.schemas.campaigns.campaigns import CampaignScheduled, CampaignView, ChooseWinner, DuplicateCampaign
from services.campaigns.ab_tests.read_models import campaign_experiment
from services.campaigns.ab_tests.timers import WinnerDue
from services.campaigns.campaigns import campaign
from services.campaigns.campaigns.campaign import Command, Due
from services.campaigns.campaigns.read_models import campaign as campaign_rows
from services.campaigns.campaigns.state import Absent, Campaign, State
from services.campaigns.campaigns.timers import CampaignDue
from services.campaigns.campaigns.views import campaign_view
from services.campaigns.content.verified_domains import load_verified_domains
from services.campaigns.runs.read_models import campaign_run

Key = tuple[UUID, UUID]


def _key(envelope: Envelope[Any]) -> Key:
    return envelope.project, envelope.message.campaign_id


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> Mapping[Hashable, Loaded[State]]:
    keys = {_key(envelope) for envelope in envelopes}
    originals = {_key(e): (e.project, e.message.original_id) for e in envelopes if type(e.message) is DuplicateCampaign}
    deciding = {_key(e) for e in envelopes if isinstance(e.message, ChooseWinner | WinnerDue)}
    stored = await campaign_rows.load(conn, keys | set(originals.values()))
    senders = {(project, state.draft.content.from_email) for (project, _), (state, _) in stored.items()}
    domains = await load_verified_domains(conn, envelopes, senders)
    runs = await campaign_run.load(conn, stored.keys())
    figures = await _figures(conn, {key: stored[key][0] for key in deciding if key in stored})
    found: dict[Hashable, Loaded[State]] = {}
    for key in keys:
        before, version = stored.get(key, (None, 0))
        original, _ = stored.get(originals.get(key, key), (None, 0))
        state: State = (
            replace(before, verified_domains=domains[key[0]], run=runs[key], figures=figures.get(key, ()))
            if before
            else Absent(original=original.draft if original else None, verified_domains=domains[key[0]])
        )
        found[key] = Loaded(state=state, stream=f"campaign-{key[1]}", version=version)
    return found


async def _figures(conn: Connection, campaigns: Mapping[Key, Campaign]) -> dict[Key, tuple[VariantFigures, ...]]:
    """Return the figures on which the winners of these campaigns' A/B tests are decided."""
    return {
        key: await campaign_experiment.load_figures(conn, *key, test.keys)
        for key, state in campaigns.items()
        if (test := state.draft.ab_test)
    }


def _reply(envelope: Envelope[Any], state: State, events: Sequence[Any], now: datetime) -> CampaignView | Deleted:
    if not isinstance(state, Campaign):
        return Deleted(id=envelope.message.campaign_id)
    return campaign_view(replace(state, updated_at=now) if events else state, now)


async def _set_timers(unit: UnitOfWork, envelope: Envelope[Any], events: Sequence[Any]) -> None:
    """Set the timer of a scheduled campaign. An outdated timer is never removed: the decider ignores it."""
    for event in events:
        if isinstance(event, CampaignScheduled):
            due = CampaignDue(campaign_id=event.campaign_id, scheduled_for=event.scheduled_for)
            await unit.schedule(str(event.campaign_id), event.scheduled_for, due, envelope)


HANDLER: BatchHandler = Aggregate(campaign, key=_key, load=_load, reply=_reply, on_events=_set_timers)
COMMANDS: Mapping[type[AnyCommand], BatchHandler] = dict.fromkeys(get_args(Command), HANDLER)
TIMERS: Mapping[type[Message], BatchHandler] = dict.fromkeys(get_args(Due), HANDLER)
