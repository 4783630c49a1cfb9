"""The query whether SES has taken mails. Before delivery sends a mail again, it asks this.

It is answered here, above the folder of mails, because the answer depends on what may still wait to be taken in.
"""

from uuid import UUID

from libs.kernel.rejection import Rejected
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.feedback.mails import Confirmed, FindConfirmed
from services.feedback.ingest.backlog import Backlog
from services.feedback.mails.read_models import email_feedback


def confirmation_finder(backlog: Backlog | None) -> QueryHandler:
    """Return the handler of `FindConfirmed`.

    It raises Rejected while notifications may be waiting in the SQS queue: a mail that seems not to be confirmed
    would be sent again.
    """

    async def find_confirmed(conn: Connection, project: UUID, query: FindConfirmed) -> list[Confirmed]:
        if backlog and backlog.possible:
            raise Rejected("SERVICE_UNAVAILABLE", "Notifications may be waiting in the queue")
        message_ids = await email_feedback.message_ids(conn, project, query.email_ids)
        return [Confirmed(email_id=email_id, message_id=ids[0]) for email_id, ids in message_ids.items()]

    return find_confirmed
