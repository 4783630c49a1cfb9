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
from services.contacts.audiences import resolving
from services.contacts.audiences.resolving import ResolveAudience
from services.contacts.contacts.commands import change_contacts
from services.contacts.contacts.confirmation_commands import ask_for_confirmations
from services.contacts.contacts.queries import QUERIES
from services.contacts.contacts.reactions import end_snoozes, end_subscriptions
from services.contacts.contacts.read_models import confirmation, contact, contact_activity
from services.contacts.contacts.snooze import EndSnooze
from services.contacts.events import queries as event_queries
from services.contacts.events.read_models import contact_event, tracked_event
from services.contacts.jobs import commands, export, worker
from services.contacts.jobs import queries as job_queries
from services.contacts.jobs.field_deletion import StripField, go_on
from services.contacts.jobs.read_models import contact_job
from services.contacts.segments import membership_worker
from services.contacts.segments.commands import change_segments
from services.contacts.segments.read_models import segment, segment_change, segment_list

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
            **commands.COMMANDS,
        },
        reactions={
            EmailBounced: end_subscriptions,
            EmailComplained: end_subscriptions,
            CampaignSendingStarted: resolving.start,
        },
        timers={
            StripField: go_on,
            ResolveAudience: resolving.resolve(config.audience_page),
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
            contact_job,
            confirmation,
        ),
        migrations=MIGRATIONS,
        work=(membership_worker.keep, worker.work, worker.tidy),
    )
