"""Answers `qry.feedback.>`."""

from uuid import UUID

import msgspec

from libs.runtime.store import Connection
from libs.schemas.feedback import Confirmed, Day, EmailFeedback, FindConfirmed, GetEmailFeedback, GetTimeseries
from services.feedback.email_feedback import status_of
from services.feedback.read_models import email_feedback, email_link, tally


async def get_email_feedback(conn: Connection, project: UUID, query: GetEmailFeedback) -> EmailFeedback:
    known = await email_feedback.find(conn, project, query.email_id)
    links = await email_link.of_mail(conn, project, query.email_id) if known.clicks or known.machine_clicks else []
    fields = msgspec.structs.asdict(known)
    del fields["message_ids"]
    return EmailFeedback(email_id=query.email_id, status=status_of(known), links=links, **fields)


async def find_confirmed(conn: Connection, project: UUID, query: FindConfirmed) -> list[Confirmed]:
    taken = await email_feedback.message_ids(conn, project, query.email_ids)
    return [Confirmed(email_id=email_id, message_id=ids[0]) for email_id, ids in taken.items()]


async def get_timeseries(conn: Connection, project: UUID, query: GetTimeseries) -> list[Day]:
    return await tally.days(conn, project, query.start, query.end)
