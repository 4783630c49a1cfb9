"""Counts the mail activity of each contact: how often mails were sent, opened and so on, and when first and last.

The events of delivery and feedback arrive in any order, so each one only adds. Opens and clicks by machines do not
count.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from libs.runtime.eventstore.codec import tag_of
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.base import Event
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.delivery.emails import EmailSent
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailDelivered,
    EmailOpened,
)
from services.contacts.contacts.occurrences import columns

NAME = "contact_activity"
TABLES = ("contact_activity",)
ACTIVITIES = (EmailSent, EmailDelivered, EmailOpened, EmailClicked, EmailBounced, EmailComplained)
EVENTS = (*ACTIVITIES, ContactDeleted)

DDL = """
create table if not exists contact_activity (
    project uuid not null,
    contact_id uuid not null,
    name text not null,
    count bigint not null,
    first_at timestamptz not null,
    last_at timestamptz not null,
    primary key (project, contact_id, name)
) with (fillfactor = 80);
"""

ADD = """
insert into contact_activity (project, contact_id, name, count, first_at, last_at)
select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bigint[], $5::timestamptz[], $6::timestamptz[])
on conflict (project, contact_id, name) do update
    set count = contact_activity.count + excluded.count,
        first_at = least(contact_activity.first_at, excluded.first_at),
        last_at = greatest(contact_activity.last_at, excluded.last_at)
"""

ERASE = """
delete from contact_activity using unnest($1::uuid[], $2::uuid[]) as gone (project, contact_id)
where contact_activity.project = gone.project and contact_activity.contact_id = gone.contact_id
"""


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    await _count(conn, [e for e in events if not isinstance(e.message, ContactDeleted)])
    gone = [(e.project, e.message.contact_id) for e in events if isinstance(e.message, ContactDeleted)]
    if gone:
        await conn.execute(ERASE, [project for project, _ in gone], [contact for _, contact in gone])


def activity_of(event: Any) -> str | None:
    """Return the activity's name in conditions, such as `opened`; None for opens and clicks by machines."""
    if isinstance(event, EmailOpened | EmailClicked) and event.machine:
        return None
    kind: type[Event] = type(event)
    return tag_of(kind).removeprefix("email.")


async def _count(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    named = [(activity_of(envelope.message), envelope) for envelope in events]
    counted = [(e.project, e.message.contact_id, name, _time_of(e)) for name, e in named if name is not None]
    if counted:
        await conn.execute(ADD, *columns(counted))


def _time_of(envelope: Envelope[Any]) -> datetime:
    """Return the provider's time of the event. Delivery records its own events as they happen."""
    at: datetime = envelope.at if isinstance(envelope.message, EmailSent) else envelope.message.at
    return at
