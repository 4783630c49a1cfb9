"""Answers `qry.feedback.>`."""

from uuid import UUID

from libs.runtime.store import Connection
from libs.schemas.feedback import EmailFeedback, GetEmailFeedback
from services.feedback.read_models import email_feedback


async def get_email_feedback(conn: Connection, project: UUID, query: GetEmailFeedback) -> EmailFeedback:
    return await email_feedback.find(conn, project, query.email_id)
