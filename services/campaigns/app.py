"""The campaigns service, put together."""

from pathlib import Path

from libs.runtime.service import Service
from libs.runtime.settings import Settings
from libs.schemas.campaigns import (
    CreateCampaign,
    CreateTemplate,
    GetCampaign,
    GetCampaignStats,
    GetTemplate,
    ListCampaigns,
    ListTemplates,
    SendCampaign,
)
from libs.schemas.contacts import AudienceResolved
from libs.schemas.delivery import EmailCancelled, EmailFailed, EmailSent, EmailSuppressed
from services.campaigns import queries, reactions
from services.campaigns.commands import campaigns, templates
from services.campaigns.read_models import campaign, campaign_mail, campaign_run, sender_domain, template

# Every table of this service is a read model, so there is nothing in it yet.
MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    """What the campaigns service handles. It has no settings of its own."""
    campaign_commands = campaigns()
    return Service(
        name="campaigns",
        commands={
            CreateTemplate: templates(),
            CreateCampaign: campaign_commands,
            SendCampaign: campaign_commands,
        },
        reactions=dict.fromkeys(
            (AudienceResolved, EmailSent, EmailFailed, EmailSuppressed, EmailCancelled), reactions.finish_runs
        ),
        queries={
            GetTemplate: queries.get_template,
            ListTemplates: queries.list_templates,
            GetCampaign: queries.get_campaign,
            ListCampaigns: queries.list_campaigns,
            GetCampaignStats: queries.get_campaign_stats,
        },
        read_models=(template, campaign, campaign_run, campaign_mail, sender_domain),
        migrations=MIGRATIONS,
    )
