"""Queries about what is known of a mail."""

from collections.abc import Mapping
from uuid import UUID

import msgspec

from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.feedback.mails import EmailFeedback, GetEmailFeedback
from services.feedback.mails.email_feedback import status_of
from services.feedback.mails.read_models import email_feedback, email_link


async def get_email_feedback(conn: Connection, project: UUID, query: GetEmailFeedback) -> EmailFeedback:
    state = await email_feedback.find(conn, project, query.email_id)
    links = await email_link.of_mail(conn, project, query.email_id) if state.clicks or state.machine_clicks else []
    fields = msgspec.structs.asdict(state)
    del fields["message_ids"]
    return EmailFeedback(email_id=query.email_id, status=status_of(state), links=links, **fields)


QUERIES: Mapping[type[Query], QueryHandler] = {GetEmailFeedback: get_email_feedback}
