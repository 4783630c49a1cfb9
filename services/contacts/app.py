"""Puts the contacts service together."""

from pathlib import Path

from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from services.contacts.audiences import handlers as audiences
from services.contacts.contacts import handlers as contacts
from services.contacts.events import handlers as events
from services.contacts.fields import handlers as fields
from services.contacts.jobs import handlers as jobs
from services.contacts.segments import handlers as segments

MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    return Service.of(
        "contacts",
        MIGRATIONS,
        fields.HANDLERS,
        contacts.HANDLERS,
        events.HANDLERS,
        segments.HANDLERS,
        audiences.handlers(config.audience_page),
        jobs.HANDLERS,
    )
