"""Commands on templates and campaigns: load what they decide on, and answer with the API's views."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from libs.runtime.aggregate import Aggregate, Loaded
from libs.runtime.envelope import Envelope
from libs.runtime.store import Connection
from libs.schemas.campaigns import CampaignView, CreateCampaign, CreateTemplate, TemplateView
from services.campaigns import campaign, template
from services.campaigns.campaign import Campaign
from services.campaigns.content import Absent, sender_domain
from services.campaigns.read_models import campaign as campaign_rows
from services.campaigns.read_models import sender_domain as sender_domains
from services.campaigns.read_models import template as template_rows
from services.campaigns.read_models.campaign_run import Run
from services.campaigns.template import Template
from services.campaigns.views import campaign_view, template_view

Key = tuple[UUID, UUID]
Creation = CreateTemplate | CreateCampaign


def templates() -> Aggregate[template.State]:
    """Handles the commands on templates."""
    return Aggregate(template, key=_template_key, load=_load_templates, reply=_template_reply)


def campaigns() -> Aggregate[campaign.State]:
    """Handles the commands on campaigns."""
    return Aggregate(campaign, key=_campaign_key, load=_load_campaigns, reply=_campaign_reply)


def _template_key(envelope: Envelope[Any]) -> Key:
    return envelope.project, envelope.message.template_id


def _campaign_key(envelope: Envelope[Any]) -> Key:
    return envelope.project, envelope.message.campaign_id


async def _load_templates(
    conn: Connection, envelopes: Sequence[Envelope[Any]]
) -> Mapping[Hashable, Loaded[template.State]]:
    keys = {_template_key(envelope) for envelope in envelopes}
    stored = await template_rows.load(conn, keys)
    absent = await _absent(conn, envelopes)
    found: dict[Hashable, Loaded[template.State]] = {}
    for key in keys:
        state, version = stored.get(key, (absent.get(key[0], Absent()), 0))
        found[key] = Loaded(state=state, stream=f"template-{key[1]}", version=version)
    return found


async def _load_campaigns(
    conn: Connection, envelopes: Sequence[Envelope[Any]]
) -> Mapping[Hashable, Loaded[campaign.State]]:
    keys = {_campaign_key(envelope) for envelope in envelopes}
    stored = await campaign_rows.load(conn, keys)
    absent = await _absent(conn, envelopes)
    found: dict[Hashable, Loaded[campaign.State]] = {}
    for key in keys:
        state, version = stored.get(key, (absent.get(key[0], Absent()), 0))
        found[key] = Loaded(state=state, stream=f"campaign-{key[1]}", version=version)
    return found


async def _absent(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> dict[UUID, Absent]:
    """By project: what is not there yet, with those of the wanted sender domains that are verified."""
    wanted = {
        (envelope.project, sender_domain(envelope.message.content))
        for envelope in envelopes
        if isinstance(envelope.message, Creation)
    }
    verified = await sender_domains.verified(conn, wanted) if wanted else {}
    return {project: Absent(frozenset(domains)) for project, domains in verified.items()}


def _template_reply(
    envelope: Envelope[Any], state: template.State, events: Sequence[Any], now: datetime
) -> TemplateView:
    assert isinstance(state, Template)
    return template_view(envelope.message.template_id, state, now)


def _campaign_reply(
    envelope: Envelope[Any], state: campaign.State, events: Sequence[Any], now: datetime
) -> CampaignView:
    assert isinstance(state, Campaign)
    return campaign_view(envelope.message.campaign_id, state, Run(), now)
