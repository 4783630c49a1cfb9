"""Searches for proof before a mail is resent: its notification may have arrived and not be handled yet.

A notification that a process was handling when it died is redelivered seconds later, and one whose handling fails up to
hours later, while newer ones overtake it. So feedback is asked for what it knows, and the bus for what it still holds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

import asyncpg
import msgspec
import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError

from libs.kernel.rejection import Rejected
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.process.runtime import Runtime
from libs.schemas.feedback.mails import Confirmed, FindConfirmed
from services.delivery.ledger.timing import Timing

log = structlog.get_logger()

OVERDUE = """
select id, project, claimed_at, source from email
where state = 'unknown' and due_at <= now() and message_ids = '{}'
order by project, due_at limit $1
"""

NOTIFICATIONS = "$JS.API.STREAM.INFO.INGEST"
"""Asks for the stream of unhandled notifications directly, because nats-py omits the time of the first message."""

TIMEOUT = 5.0


class FoundProofs(msgspec.Struct, frozen=True):
    """The result of a search.

    `message_ids` has SES's id of each mail that is known to be accepted; `excluded` are the mails for which no
    notification can be on its way any more.
    """

    message_ids: Mapping[UUID, str] = {}
    excluded: frozenset[UUID] = frozenset()


class _State(msgspec.Struct):
    messages: int
    first_ts: datetime


class _Stream(msgspec.Struct):
    state: _State


_decode_stream = msgspec.json.Decoder(_Stream).decode


async def search(runtime: Runtime, timing: Timing, limit: int) -> FoundProofs:
    """Search for proof of mails whose grace period ended. Find and exclude nothing if feedback or the bus is silent."""
    rows = await runtime.pool.fetch(OVERDUE, limit, timeout=TIMEOUT)
    if not rows:
        return FoundProofs()
    try:
        oldest_unhandled = await _oldest_unhandled(
            runtime.client
        )  # before asking feedback, which handles some in between
        return FoundProofs(await _confirmed(runtime, rows), excluded(rows, oldest_unhandled, timing))
    except (NatsError, TimeoutError, Unavailable, Rejected) as silence:
        log.warning("proof_search.no_answer", mails=len(rows), error=repr(silence))
        return FoundProofs()


async def _confirmed(runtime: Runtime, rows: Sequence[asyncpg.Record]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for project, mails in groupby(rows, key=lambda row: row["project"]):
        query = FindConfirmed(email_ids=[mail["id"] for mail in mails])
        confirmed = await runtime.ask(project, query, list[Confirmed])
        found |= {each.email_id: each.message_id for each in confirmed}
    return found


async def _oldest_unhandled(client: Client) -> datetime | None:
    """Return when the oldest unhandled notification arrived; None if there is none."""
    response = await client.request(NOTIFICATIONS, b"", TIMEOUT)
    state = _decode_stream(response.data).state
    return state.first_ts if state.messages else None


def excluded(rows: Sequence[asyncpg.Record], oldest_unhandled: datetime | None, timing: Timing) -> frozenset[UUID]:
    """Return the mails for which everything that arrived within their grace period is handled."""

    def is_excluded(row: asyncpg.Record) -> bool:
        ended: datetime = row["claimed_at"] + timedelta(seconds=timing.grace(row["source"]))
        return oldest_unhandled is None or oldest_unhandled > ended

    return frozenset(row["id"] for row in rows if is_excluded(row))
