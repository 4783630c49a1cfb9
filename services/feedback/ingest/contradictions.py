"""Notifications that are signed and still cannot be true: of a mail of another project, or of the year 1.

They are archived like all others, logged and counted, and change nothing. Retrying them would not make them true.
"""

from collections.abc import Sequence
from uuid import UUID

import structlog

from libs.runtime.eventstore.codec import stream_of
from libs.runtime.eventstore.store import Connection
from libs.schemas.feedback.notifications import RecordNotification
from services.feedback.notifications.archive import Entry

log = structlog.get_logger()

KIND = "contradictory"
OWNERS = "select stream, project from events where stream = any($1::text[]) and version = 1"


def contradiction(notification: RecordNotification, reason: str) -> Entry:
    """Return the entry of a notification that contradicts itself, under the id that SNS gave it."""
    _warn(notification, reason)
    return Entry(notification, notification.notification_id, KIND, None)


async def without_contradictions(conn: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Return the entries without those that contradict themselves, or name another project than their mail's."""
    owners = await _owners(conn, entries)
    consistent = []
    for entry in entries:
        if entry.notice and owners.setdefault(entry.notice.email_id, entry.notice.project) != entry.notice.project:
            _warn(entry.notification, "the mail belongs to another project")
        elif entry.kind != KIND:
            consistent.append(entry)
    return consistent


async def _owners(conn: Connection, entries: Sequence[Entry]) -> dict[UUID, UUID]:
    """Return the project of each mail that was reported before."""
    emails = {stream_of(entry.notice.confirmed): entry.notice.email_id for entry in entries if entry.notice}
    if not emails:
        return {}
    return {emails[row["stream"]]: row["project"] for row in await conn.fetch(OWNERS, list(emails))}


def _warn(notification: RecordNotification, reason: str) -> None:
    log.warning("notification.contradictory", notification=str(notification.notification_id), reason=reason)
