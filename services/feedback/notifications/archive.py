"""The archive of raw notifications, one for each event of SES.

It answers what SES said exactly, and recognizes notifications of events that were reported before.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec
import structlog

from libs.runtime.eventstore.data_keys import erase_data_keys
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.process.runtime import Runtime
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.feedback.notifications import RecordNotification
from services.feedback.notifications.notice import Notice

log = structlog.get_logger()

KEPT_DAYS = 90
PAGE = 5000
REST_SECONDS = 3600.0
RETRY_SECONDS = 30.0

INSERT = """
insert into notification (happening, notification_id, topic_arn, kind, project, email_id, message, sent_at)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[]
)
on conflict (happening) do nothing
returning happening
"""

DELETE_OLD = """
delete from notification where ctid = any(array(
    select ctid from notification where received_at < clock_timestamp() - make_interval(days => $1) limit $2
))
"""


class Entry(msgspec.Struct, frozen=True):
    """A notification and what was read from it.

    `event_key` is the same for every notification of one event; `notice` is None if it is not about a mail of ours.
    """

    notification: RecordNotification
    event_key: UUID
    kind: str
    notice: Notice | None


async def archive(conn: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Store the notifications and return those of events that were not reported before. The others are dropped."""
    once = {entry.event_key: entry for entry in reversed(entries)}
    # always in the same order, so that two replicas cannot deadlock
    rows = [_row(once[key]) for key in sorted(once, key=_number)]
    new = {row["happening"] for row in await conn.fetch(INSERT, *zip(*rows, strict=True))}
    return [entry for entry in entries if entry.event_key in new and once[entry.event_key] is entry]


def _number(key: UUID) -> int:
    """Sort as the UUID does, at a fraction of the cost."""
    return key.int


def _row(entry: Entry) -> tuple[object, ...]:
    notification, notice = entry.notification, entry.notice
    project, email_id = (notice.project, notice.email_id) if notice else (None, None)
    return (
        entry.event_key,
        notification.notification_id,
        notification.topic_arn,
        entry.kind,
        project,
        email_id,
        notification.message,
        notification.sent_at,
    )


async def forget_contacts(unit: UnitOfWork, envelopes: Sequence[Envelope[ContactDeleted]]) -> None:
    """Make the addresses of deleted contacts in the log unreadable. The raw notifications are deleted by age."""
    await erase_data_keys(unit.conn, {(envelope.project, envelope.message.contact_id) for envelope in envelopes})


async def delete_old_notifications(runtime: Runtime) -> None:
    """Delete notifications older than KEPT_DAYS while the process runs. The events that follow from them stay."""
    while True:
        try:
            deleted = await _delete_page(runtime)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as failure:
            log.warning("archive.deletion_failed", error=repr(failure))
            await asyncio.sleep(RETRY_SECONDS)
        else:
            await asyncio.sleep(0 if deleted == PAGE else REST_SECONDS)


async def _delete_page(runtime: Runtime) -> int:
    async with asyncio.timeout(RETRY_SECONDS):
        done = await runtime.pool.execute(DELETE_OLD, KEPT_DAYS, PAGE)
    return int(done.removeprefix("DELETE "))
