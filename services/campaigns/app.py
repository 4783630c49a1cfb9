"""The campaigns service, put together."""

from pathlib import Path

from libs.runtime.eventstore.store import BatchHandler
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.schemas.base import Command, Event
from libs.schemas.campaigns.campaigns import (
    CancelCampaign,
    ChooseWinner,
    CountDomainUses,
    CreateCampaign,
    DeleteCampaign,
    DuplicateCampaign,
    FindCampaignsOfSegment,
    GetCampaign,
    GetCampaignContent,
    ListCampaigns,
    PauseCampaign,
    ResumeCampaign,
    ScheduleCampaign,
    SendCampaign,
    UnscheduleCampaign,
    UpdateCampaign,
)
from libs.schemas.campaigns.results import (
    GetAbTestResults,
    GetCampaignProgress,
    GetCampaignStats,
    GetCampaignTimeline,
    ListCampaignRecipients,
    ListLinkClicks,
)
from libs.schemas.campaigns.templates import (
    CreateTemplate,
    DeleteTemplate,
    DuplicateTemplate,
    GetTemplate,
    GetTemplateUsage,
    ListTemplates,
    ListTemplateVersions,
    RestoreTemplate,
    UpdateTemplate,
)
from libs.schemas.contacts.contacts import AudiencePageResolved, AudienceResolved, AudienceStarted
from libs.schemas.contacts.fields import FindFieldInCampaigns
from libs.schemas.delivery.emails import (
    EmailCancelled,
    EmailFailed,
    EmailSent,
    EmailSuppressed,
)
from services.campaigns.ab_tests.read_models import campaign_experiment
from services.campaigns.campaigns import queries, reactions
from services.campaigns.campaigns.commands import Campaigns, templates
from services.campaigns.campaigns.read_models import campaign
from services.campaigns.campaigns.timers import CampaignDue, WinnerDue
from services.campaigns.content.domain_uses import count_domain_uses
from services.campaigns.content.field_uses import find_field
from services.campaigns.content.read_models import sender_domain
from services.campaigns.results.read_models import (
    campaign_click,
    campaign_hour,
    campaign_mail,
    campaign_recipient,
)
from services.campaigns.runs.read_models import campaign_run
from services.campaigns.templates.read_models import template

# Every table of this service is a read model, so there is nothing in it yet.
MIGRATIONS = Path(__file__).parent / "migrations"

ON_TEMPLATES: tuple[type[Command], ...] = (
    CreateTemplate,
    UpdateTemplate,
    DuplicateTemplate,
    RestoreTemplate,
    DeleteTemplate,
)
ON_CAMPAIGNS: tuple[type[Command], ...] = (
    CreateCampaign,
    UpdateCampaign,
    DeleteCampaign,
    DuplicateCampaign,
    SendCampaign,
    ScheduleCampaign,
    UnscheduleCampaign,
    CancelCampaign,
    PauseCampaign,
    ResumeCampaign,
    ChooseWinner,
)
OUTCOMES: tuple[type[Event], ...] = (
    AudiencePageResolved,
    AudienceResolved,
    EmailSent,
    EmailFailed,
    EmailSuppressed,
    EmailCancelled,
)


def build(config: Settings) -> Service:
    """What the campaigns service handles. It has no settings of its own."""
    on_templates: BatchHandler = templates()
    on_campaigns: BatchHandler = Campaigns()
    on_timers: BatchHandler = Campaigns()
    return Service(
        name="campaigns",
        commands=dict.fromkeys(ON_TEMPLATES, on_templates) | dict.fromkeys(ON_CAMPAIGNS, on_campaigns),
        timers=dict.fromkeys((CampaignDue, WinnerDue), on_timers),
        reactions={
            AudienceStarted: reactions.begin_runs,
            **dict.fromkeys(OUTCOMES, reactions.settle_runs),
        },
        queries={
            CountDomainUses: count_domain_uses,
            FindFieldInCampaigns: find_field,
            GetTemplate: queries.get_template,
            ListTemplates: queries.list_templates,
            GetTemplateUsage: queries.get_template_usage,
            ListTemplateVersions: queries.list_template_versions,
            GetCampaign: queries.get_campaign,
            ListCampaigns: queries.list_campaigns,
            GetCampaignStats: queries.get_campaign_stats,
            FindCampaignsOfSegment: queries.find_campaigns_of_segment,
            GetCampaignContent: queries.get_campaign_content,
            GetCampaignProgress: queries.get_campaign_progress,
            ListCampaignRecipients: queries.list_campaign_recipients,
            ListLinkClicks: queries.list_link_clicks,
            GetCampaignTimeline: queries.get_campaign_timeline,
            GetAbTestResults: queries.get_ab_test_results,
        },
        read_models=(
            template,
            campaign,
            campaign_run,
            campaign_experiment,
            campaign_mail,
            campaign_recipient,
            campaign_click,
            campaign_hour,
            sender_domain,
        ),
        migrations=MIGRATIONS,
    )
