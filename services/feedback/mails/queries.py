"""Answers `qry.feedback.>`."""

from uuid import UUID

import msgspec

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.feedback.mails import (
    Confirmed,
    Day,
    EmailFeedback,
    FindConfirmed,
    GetEmailFeedback,
    GetTimeseries,
)
from services.feedback.analytics.read_models import tally
from services.feedback.ingest.backlog import Backlog
from services.feedback.mails.email_feedback import status_of
from services.feedback.mails.read_models import email_feedback, email_link


async def get_email_feedback(conn: Connection, project: UUID, query: GetEmailFeedback) -> EmailFeedback:
    known = await email_feedback.find(conn, project, query.email_id)
    links = await email_link.of_mail(conn, project, query.email_id) if known.clicks or known.machine_clicks else []
    fields = msgspec.structs.asdict(known)
    del fields["message_ids"]
    return EmailFeedback(email_id=query.email_id, status=status_of(known), links=links, **fields)


def finding_confirmed(backlog: Backlog | None) -> QueryHandler:
    """Answers only while no notification can be waiting in the queue: whoever asks means to send again what is not
    confirmed."""

    async def find(conn: Connection, project: UUID, query: FindConfirmed) -> list[Confirmed]:
        if backlog and backlog.possible:
            raise Rejected("SERVICE_UNAVAILABLE", "Notifications may be waiting in the queue")
        return await find_confirmed(conn, project, query)

    return find


async def find_confirmed(conn: Connection, project: UUID, query: FindConfirmed) -> list[Confirmed]:
    taken = await email_feedback.message_ids(conn, project, query.email_ids)
    return [Confirmed(email_id=email_id, message_id=ids[0]) for email_id, ids in taken.items()]


async def get_timeseries(conn: Connection, project: UUID, query: GetTimeseries) -> list[Day]:
    return await tally.days(conn, project, query.start, query.end)
