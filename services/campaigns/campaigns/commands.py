"""Commands on templates and campaigns: load what they decide on, and answer with the API's views."""

from collections.abc import Callable, Hashable, Mapping, Sequence, Set
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from libs.runtime.eventstore.aggregate import Aggregate, Loaded
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.campaigns.base import Deleted
from libs.schemas.campaigns.campaigns import (
    CampaignScheduled,
    CampaignView,
    ChooseWinner,
    CreateCampaign,
    DuplicateCampaign,
    UpdateCampaign,
)
from libs.schemas.campaigns.templates import (
    CreateTemplate,
    DeleteTemplate,
    DuplicateTemplate,
    RestoreTemplate,
    TemplateView,
    UpdateTemplate,
)
from services.campaigns.ab_tests.read_models import campaign_experiment as experiments
from services.campaigns.campaigns import campaign
from services.campaigns.campaigns.campaign import Absent, Campaign
from services.campaigns.campaigns.read_models import campaign as campaign_rows
from services.campaigns.campaigns.timers import CampaignDue, WinnerDue
from services.campaigns.campaigns.views import campaign_view, template_view
from services.campaigns.content.read_models import sender_domain as sender_domains
from services.campaigns.content.rules import domain_of
from services.campaigns.runs.read_models import campaign_run as runs
from services.campaigns.runs.read_models.campaign_run import Run
from services.campaigns.templates import template, versions
from services.campaigns.templates.read_models import template as template_rows
from services.campaigns.templates.template import Template

Key = tuple[UUID, UUID]


def templates() -> Aggregate[template.State]:
    """Handles the commands on templates."""
    return Aggregate(template, key=_template_key, load=_load_templates, reply=_template_reply)


class Campaigns:
    """Handles the commands on campaigns, and their schedules. Each of a service's commits has one of its own."""

    def __init__(self) -> None:
        self._runs: dict[Key, Run] = {}
        self._aggregate: Aggregate[campaign.State] = Aggregate(
            campaign, key=_campaign_key, load=self._load, reply=self._reply, on_events=_set_timers
        )

    async def __call__(self, unit: UnitOfWork, envelopes: Sequence[Envelope[Any]]) -> Sequence[bytes]:
        return await self._aggregate(unit, envelopes)

    async def _load(
        self, conn: Connection, envelopes: Sequence[Envelope[Any]]
    ) -> Mapping[Hashable, Loaded[campaign.State]]:
        keys = {_campaign_key(envelope) for envelope in envelopes}
        stored = await campaign_rows.load(conn, keys | _originals(envelopes))
        self._runs = await runs.load_all(conn, stored.keys())
        senders = {(project, state.draft.content.from_email) for (project, _), (state, _) in stored.items()}
        verified = await _verified(conn, envelopes, senders)
        stored |= await _with_figures(conn, envelopes, stored)
        found: dict[Hashable, Loaded[campaign.State]] = {}
        for key in keys:
            state, version = stored.get(key, (_absent(key, envelopes, stored), 0))
            domains = frozenset(verified.get(key[0], ()))
            found[key] = Loaded(
                state=replace(state, verified_domains=domains), stream=f"campaign-{key[1]}", version=version
            )
        return found

    def _reply(
        self, envelope: Envelope[Any], state: campaign.State, events: Sequence[Any], now: datetime
    ) -> CampaignView | Deleted:
        key = _campaign_key(envelope)
        if not isinstance(state, Campaign):
            return Deleted(id=key[1])
        changed = replace(state, updated_at=now) if events else state
        return campaign_view(key[1], changed, self._runs.get(key, Run()), now)


def _absent(key: Key, envelopes: Sequence[Envelope[Any]], stored: Mapping[Key, tuple[Campaign, int]]) -> Absent:
    original = stored.get(_original(key, envelopes, _campaign_key) or key)
    return Absent(original=original[0].draft if original else None)


async def _with_figures(
    conn: Connection, envelopes: Sequence[Envelope[Any]], stored: Mapping[Key, tuple[Campaign, int]]
) -> dict[Key, tuple[Campaign, int]]:
    """Those of the campaigns of which a winner is to be decided, with what is counted of their variants."""
    found: dict[Key, tuple[Campaign, int]] = {}
    for key in {_campaign_key(e) for e in envelopes if isinstance(e.message, ChooseWinner | WinnerDue)}:
        state, version = stored.get(key, (None, 0))
        if state and (test := state.draft.ab_test):
            counted = await experiments.counts_of(conn, *key)
            found[key] = replace(state, figures=experiments.figures(test.keys, counted)), version
    return found


async def _set_timers(unit: UnitOfWork, envelope: Envelope[Any], events: Sequence[Any]) -> None:
    """A campaign that is scheduled has a timer. One that has none to keep ignores it when it comes."""
    for event in events:
        if isinstance(event, CampaignScheduled):
            due = CampaignDue(campaign_id=event.campaign_id, scheduled_for=event.scheduled_for)
            await unit.schedule(str(event.campaign_id), event.scheduled_for, due, envelope)


def _template_key(envelope: Envelope[Any]) -> Key:
    return envelope.project, envelope.message.template_id


def _campaign_key(envelope: Envelope[Any]) -> Key:
    return envelope.project, envelope.message.campaign_id


def _originals(envelopes: Sequence[Envelope[Any]]) -> set[Key]:
    """What the copies that are to be made are copies of."""
    return {key for envelope in envelopes if (key := _original_key(envelope))}


def _original_key(envelope: Envelope[Any]) -> Key | None:
    match envelope.message:
        case DuplicateCampaign(original_id=original_id) | DuplicateTemplate(original_id=original_id):
            return envelope.project, original_id
    return None


def _original(key: Key, envelopes: Sequence[Envelope[Any]], key_of: Callable[[Envelope[Any]], Key]) -> Key | None:
    """What the one with this id is to be a copy of."""
    return next((original for e in envelopes if key_of(e) == key and (original := _original_key(e))), None)


def _version(envelope: Envelope[Any]) -> int | None:
    command = envelope.message
    return command.version if isinstance(command, RestoreTemplate) else None


async def _load_templates(
    conn: Connection, envelopes: Sequence[Envelope[Any]]
) -> Mapping[Hashable, Loaded[template.State]]:
    keys = {_template_key(envelope) for envelope in envelopes}
    stored = await template_rows.load(conn, keys | _originals(envelopes))
    verified = await _verified(
        conn, envelopes, {(project, state.said.content.from_email) for (project, _), state in stored.items()}
    )
    used = await campaign_rows.made_of(conn, {_template_key(e) for e in envelopes if type(e.message) is DeleteTemplate})
    past = await versions.load(conn, [(*_template_key(e), v) for e in envelopes if (v := _version(e)) is not None])
    found: dict[Hashable, Loaded[template.State]] = {}
    for key in keys:
        domains = frozenset(verified.get(key[0], ()))
        if key in stored:
            state: template.State = replace(
                stored[key],
                verified_domains=domains,
                campaigns=used.get(key, 0),
                past=next((said for (*of, _), said in past.items() if tuple(of) == key), None),
            )
        else:
            original = stored.get(_original(key, envelopes, _template_key) or key)
            state = template.Absent(original=original.said if original else None, verified_domains=domains)
        version = stored[key].version if key in stored else 0
        found[key] = Loaded(state=state, stream=f"template-{key[1]}", version=version)
    return found


async def _verified(
    conn: Connection, envelopes: Sequence[Envelope[Any]], stored: Set[tuple[UUID, str]]
) -> dict[UUID, set[str]]:
    """By project: those of the sender domains that the commands are about which are verified. `stored` are (project,
    address) of what they change."""
    given = {(envelope.project, address) for envelope in envelopes if (address := _sender(envelope))}
    wanted = {(project, domain_of(address)) for project, address in given | stored}
    return await sender_domains.verified(conn, wanted) if wanted else {}


def _sender(envelope: Envelope[Any]) -> str | None:
    match envelope.message:
        case CreateTemplate(content=content) | CreateCampaign(content=content):
            return content.from_email
        case UpdateTemplate(from_email=str() as address) | UpdateCampaign(from_email=str() as address):
            return address
    return None


def _template_reply(
    envelope: Envelope[Any], state: template.State, events: Sequence[Any], now: datetime
) -> TemplateView | Deleted:
    template_id = envelope.message.template_id
    if not isinstance(state, Template):
        return Deleted(id=template_id)
    return template_view(template_id, replace(state, updated_at=now) if events else state, now)
