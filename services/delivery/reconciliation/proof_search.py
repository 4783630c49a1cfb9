"""Looking for proof on its way, before a mail is sent again: a notification may have come in and not be handled yet.

One that was at hand in a process that died comes again seconds later, one that could not be handled up to hours later,
while newer ones pass it by. So feedback is asked for what it knows, and the bus for what feedback has yet to see.
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

DOUBTFUL = """
select id, project, claimed_at, source from email
where state = 'unknown' and due_at <= now() and message_ids = '{}'
order by project, due_at limit $1
"""

NOTIFICATIONS = "$JS.API.STREAM.INFO.INGEST"
"""The stream of notifications that are not handled yet. nats-py leaves the time of the first one out."""

TIMEOUT = 5.0


class Searched(msgspec.Struct, frozen=True):
    """What was found: SES's id of each mail that it is known to have, and of which mails nothing can be on its way."""

    found: Mapping[UUID, str] = {}
    excluded: frozenset[UUID] = frozenset()


class _State(msgspec.Struct):
    messages: int
    first_ts: datetime


class _Stream(msgspec.Struct):
    state: _State


_decode_stream = msgspec.json.Decoder(_Stream).decode


async def search(runtime: Runtime, timing: Timing, most: int) -> Searched:
    """Search for the mails whose grace is over. Where nobody answers, nothing is found and nothing is excluded."""
    rows = await runtime.pool.fetch(DOUBTFUL, most, timeout=TIMEOUT)
    if not rows:
        return Searched()
    try:
        waiting_since = await _waiting_since(runtime.client)  # before feedback is asked: it handles some in between
        return Searched(await _confirmed(runtime, rows), excluded(rows, waiting_since, timing))
    except (NatsError, TimeoutError, Unavailable, Rejected) as silence:
        log.warning("search.nobody_answers", mails=len(rows), error=repr(silence))
        return Searched()


async def _confirmed(runtime: Runtime, rows: Sequence[asyncpg.Record]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for project, mails in groupby(rows, key=lambda row: row["project"]):
        question = FindConfirmed(email_ids=[mail["id"] for mail in mails])
        known = await runtime.ask(project, question, list[Confirmed])
        found |= {each.email_id: each.message_id for each in known}
    return found


async def _waiting_since(client: Client) -> datetime | None:
    """When the oldest notification that nobody has handled came in; None if there is none."""
    answer = await client.request(NOTIFICATIONS, b"", TIMEOUT)
    state = _decode_stream(answer.data).state
    return state.first_ts if state.messages else None


def excluded(rows: Sequence[asyncpg.Record], waiting_since: datetime | None, timing: Timing) -> frozenset[UUID]:
    """The mails of which everything that came in within their grace is handled."""

    def over(row: asyncpg.Record) -> bool:
        ended: datetime = row["claimed_at"] + timedelta(seconds=timing.grace(row["source"]))
        return waiting_since is None or waiting_since > ended

    return frozenset(row["id"] for row in rows if over(row))
