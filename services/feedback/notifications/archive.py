"""The raw notifications: kept word for word, each happening once, as long as anyone may ask or a repeat may come."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import asyncpg
import msgspec
import structlog

from libs.runtime.eventstore.encryption import erase_data_keys
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

KEEP = """
insert into notification (happening, notification_id, topic_arn, kind, project, email_id, message, sent_at)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[]
)
on conflict (happening) do nothing
returning happening
"""

DROP_OLD = """
delete from notification where ctid = any(array(
    select ctid from notification where received_at < clock_timestamp() - make_interval(days => $1) limit $2
))
"""


class Entry(msgspec.Struct, frozen=True):
    """A notification, and what was read from it. `notice` is None if it is not about a mail of ours."""

    told: RecordNotification
    happening: UUID
    kind: str
    notice: Notice | None


async def keep(conn: Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Store the notifications; answers those that tell something new: a happening that was told before is dropped."""
    once = {entry.happening: entry for entry in reversed(entries)}
    # always in the same order, so that two replicas cannot lock each other out
    rows = [_row(once[happening]) for happening in sorted(once, key=_number)]
    new = {row["happening"] for row in await conn.fetch(KEEP, *zip(*rows, strict=True))}
    return [entry for entry in entries if entry.happening in new and once[entry.happening] is entry]


def _number(happening: UUID) -> int:
    """Sorts as the UUID does, at a fraction of the cost."""
    return happening.int


def _row(entry: Entry) -> tuple[object, ...]:
    told, notice = entry.told, entry.notice
    about = (notice.project, notice.email_id) if notice else (None, None)
    return (
        entry.happening,
        told.notification_id,
        told.topic_arn,
        entry.kind,
        *about,
        told.message,
        told.sent_at,
    )


async def forget_contacts(unit: UnitOfWork, envelopes: Sequence[Envelope[ContactDeleted]]) -> None:
    """What the log knows of a deleted contact's address cannot be read any more; the raw notifications go by age."""
    await erase_data_keys(unit.conn, {(envelope.project, envelope.message.contact_id) for envelope in envelopes})


async def delete_old_notifications(runtime: Runtime) -> None:
    """Drop what is older than KEPT_DAYS, as long as the process runs. What it meant stays: the events."""
    while True:
        try:
            dropped = await _drop_page(runtime)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as failure:
            log.warning("archive.cannot_forget", error=repr(failure))
            await asyncio.sleep(RETRY_SECONDS)
        else:
            await asyncio.sleep(0 if dropped == PAGE else REST_SECONDS)


async def _drop_page(runtime: Runtime) -> int:
    async with asyncio.timeout(RETRY_SECONDS):
        done = await runtime.pool.execute(DROP_OLD, KEPT_DAYS, PAGE)
    return int(done.removeprefix("DELETE "))
