"""The contacts service, put together."""

from pathlib import Path

from libs.runtime.service import Service
from libs.runtime.settings import Settings
from libs.schemas.campaigns import CampaignSendingStarted
from libs.schemas.contacts import (
    CreateSegment,
    DeleteContact,
    SaveContact,
    SubscribeContact,
    TrackEvent,
    UnsubscribeContact,
    UpdateContact,
)
from libs.schemas.feedback import EmailBounced, EmailComplained
from services.contacts import audience
from services.contacts.audience import ResolveAudience
from services.contacts.commands import change_contacts, create_segments
from services.contacts.queries import QUERIES
from services.contacts.reactions import end_subscriptions
from services.contacts.read_models import contact, contact_event, segment

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
            TrackEvent: change_contacts,
            CreateSegment: create_segments,
        },
        reactions={
            EmailBounced: end_subscriptions,
            EmailComplained: end_subscriptions,
            CampaignSendingStarted: audience.start,
        },
        timers={ResolveAudience: audience.resolve},
        queries=QUERIES,
        read_models=(contact, contact_event, segment),
        migrations=MIGRATIONS,
    )
