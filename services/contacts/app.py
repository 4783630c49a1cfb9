"""The contacts service, put together."""

from pathlib import Path

from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.schemas.campaigns.campaigns import CampaignSendingStarted
from libs.schemas.contacts.contacts import (
    AskForConfirmation,
    DeleteContact,
    SaveContact,
    SubscribeContact,
    TrackEvent,
    UnsubscribeContact,
    UpdateContact,
)
from libs.schemas.contacts.segments import (
    AddSegmentMembers,
    ComputeSegment,
    CreateSegment,
    DeleteSegment,
    RemoveSegmentMembers,
    UpdateSegment,
)
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from services.contacts import audience, event_queries, export, job_commands, job_queries, jobs, keeper
from services.contacts.audience import ResolveAudience
from services.contacts.commands import change_contacts
from services.contacts.confirmation_commands import ask_for_confirmations
from services.contacts.field_deletion import StripField, go_on
from services.contacts.queries import QUERIES
from services.contacts.reactions import end_snoozes, end_subscriptions
from services.contacts.read_models import (
    confirmation,
    contact,
    contact_activity,
    contact_event,
    job,
    segment,
    segment_change,
    segment_list,
    tracked_event,
)
from services.contacts.segment_commands import change_segments
from services.contacts.snooze import EndSnooze

MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    return Service(
        name="contacts",
        commands={
            SaveContact: change_contacts,
            UpdateContact: change_contacts,
            SubscribeContact: change_contacts,
            UnsubscribeContact: change_contacts,
            DeleteContact: change_contacts,
            AskForConfirmation: ask_for_confirmations,
            TrackEvent: change_contacts,
            CreateSegment: change_segments,
            UpdateSegment: change_segments,
            DeleteSegment: change_segments,
            AddSegmentMembers: change_segments,
            RemoveSegmentMembers: change_segments,
            ComputeSegment: change_segments,
            **job_commands.COMMANDS,
        },
        reactions={
            EmailBounced: end_subscriptions,
            EmailComplained: end_subscriptions,
            CampaignSendingStarted: audience.start,
        },
        timers={
            StripField: go_on,
            ResolveAudience: audience.resolve(config.audience_page),
            EndSnooze: end_snoozes,
        },
        queries={**QUERIES, **job_queries.QUERIES, **export.QUERIES, **event_queries.QUERIES},
        read_models=(
            contact,
            contact_event,
            tracked_event,
            contact_activity,
            segment,
            segment_list,
            segment_change,
            job,
            confirmation,
        ),
        migrations=MIGRATIONS,
        work=(keeper.keep, jobs.work, jobs.tidy),
    )
