"""The ledger: every message that got, or would have got, a success response. It is the ground truth for counting."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from deploy.sandbox.mailbox.outcomes import Outcome
from deploy.sandbox.storage.bodies import Extent
from deploy.sandbox.storage.store import SqlRow, Store

ADD_MESSAGE = """
insert into message (seq, id, email_id, sender, recipients, tags, configuration_set, accepted_at, kind, body_offset,
    body_size)
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_RECIPIENT = "insert or ignore into recipient (address, seq) values (?, ?)"
ADD_NOTIFICATION = """
insert into notification (subscription, seq, kind, recipient, detail, at, due) values (?, ?, ?, ?, ?, ?, ?)
"""
SUPPRESS = "insert or ignore into suppression (address, reason, since) values (?, ?, ?)"

MESSAGES = """
select seq, id, email_id, sender, recipients, tags, configuration_set, accepted_at, kind, body_offset,
    body_size
from message where seq in (select value from json_each(?)) order by seq desc
"""
SEQ_OF_ID = "select seq from message where id = ?"
NEWEST = """
select seq, (select count(*) from message) from message order by seq desc limit :limit offset :offset
"""
NEWEST_TO = """
select seq, (select count(*) from recipient where address = :to)
from recipient where address = :to order by seq desc limit :limit offset :offset
"""
NEWEST_OF_EMAIL = """
select seq, count(*) over () from message
where email_id = :email_id
  and (:to = '' or exists (select 1 from recipient where address = :to and recipient.seq = message.seq))
order by seq desc limit :limit offset :offset
"""
LAST_SEQ = "select coalesce(max(seq), 0) from message"
TOTALS = "select (select count(*) from message), (select count(*) from recipient)"
COPIES = """
select count(*), coalesce(sum(copies > 1), 0)
from (select count(*) as copies from message where email_id <> '' group by email_id)
"""
SENT_PER_MINUTE = """
select cast(accepted_at / 60 as integer) * 60, sum(json_array_length(recipients))
from message where accepted_at > ? group by 1 order by 1
"""
CLEAR = ("delete from notification", "delete from recipient", "delete from message")

PAGE_SIZE = 50
RECENT, MAX_RECENT_SIZE = 1024, 32 * 1024
"""Number of messages cached in memory, and the maximum size of each in bytes."""


class Message(msgspec.Struct):
    """An accepted message.

    `content` is the MIME message for kind raw, else the JSON body of the SendEmail call. `mail_record` is the part that
    all notifications about the message share, cached when the first one is written.
    """

    seq: int
    id: str
    email_id: str
    sender: str
    recipients: list[str]
    tags: dict[str, str]
    configuration_set: str
    accepted_at: float
    kind: Literal["raw", "simple"]
    content: bytes
    mail_record: msgspec.Raw | None = None


class Accepted(msgspec.Struct):
    message: Message
    outcomes: list[Outcome]


class Ledger:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._last_seq: int = store.rows(LAST_SEQ)[0][0]
        self._recent: OrderedDict[int, Message] = OrderedDict()

    def next_seq(self) -> int:
        self._last_seq += 1
        return self._last_seq

    async def record(self, accepted: Sequence[Accepted], subscriptions: Sequence[int]) -> list[str]:
        """Store the messages, their planned notifications and the addresses these suppress, all or none.

        Return the suppressed addresses once everything is on disk.
        """
        suppressions = [row for each in accepted for row in _suppression_rows(each)]
        await self._store.write(
            (ADD_MESSAGE, [self._row(each.message) for each in accepted]),
            (ADD_RECIPIENT, [row for each in accepted for row in _recipient_rows(each.message)]),
            (ADD_NOTIFICATION, [row for each in accepted for row in _notification_rows(each, subscriptions)]),
            (SUPPRESS, suppressions),
        )
        self._cache(each.message for each in accepted)
        return [str(address) for address, *_ in suppressions]

    def find(
        self, *, to: str = "", email_id: str = "", limit: int = PAGE_SIZE, offset: int = 0
    ) -> tuple[list[int], int]:
        """Return the seqs of the newest matching messages, and the number of all matches.

        Whole addresses are compared, case-insensitively.
        """
        sql = NEWEST_OF_EMAIL if email_id else NEWEST_TO if to else NEWEST
        rows = self._store.rows(sql, {"to": to.lower(), "email_id": email_id, "limit": limit, "offset": offset})
        return [seq for seq, _ in rows], rows[0][1] if rows else 0

    def read(self, seqs: Sequence[int]) -> Iterator[Message]:
        """Yield the messages of these seqs, newest first, with only one page in memory at a time."""
        for start in range(0, len(seqs), PAGE_SIZE):
            page = msgspec.json.encode(seqs[start : start + PAGE_SIZE]).decode()
            yield from map(self._read, self._store.rows(MESSAGES, (page,)))

    def get(self, seq: int) -> Message | None:
        """Return the message, from memory while it is recent, as it mostly is when its notifications are delivered."""
        return self._recent.get(seq) or next(self.read([seq]), None)

    def by_id(self, message_id: str) -> Message | None:
        seqs = [seq for (seq,) in self._store.rows(SEQ_OF_ID, (message_id,))]
        return next(self.read(seqs), None)

    def sent_per_minute(self, since: float) -> list[tuple[float, float]]:
        return self._store.rows(SENT_PER_MINUTE, (since,))

    def totals(self) -> dict[str, int]:
        (messages, recipients), (email_ids, twice) = self._store.rows(TOTALS)[0], self._store.rows(COPIES)[0]
        return {"accepted": messages, "recipients": recipients, "emailIds": email_ids, "emailIdsAcceptedTwice": twice}

    async def clear(self) -> None:
        """Delete all messages, and the notifications about them that are still pending."""
        await self._store.write(*((statement, [()]) for statement in CLEAR))
        self._recent.clear()

    def _cache(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if len(message.content) <= MAX_RECENT_SIZE:
                self._recent[message.seq] = message
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)

    def _row(self, message: Message) -> SqlRow:
        place = self._store.keep(message.content)
        return (
            message.seq,
            message.id,
            message.email_id,
            message.sender,
            msgspec.json.encode(message.recipients).decode(),
            msgspec.json.encode(message.tags).decode(),
            message.configuration_set,
            message.accepted_at,
            message.kind,
            place.offset,
            place.size,
        )

    # Any: a row as sqlite3 returns it, in the column order of MESSAGES.
    def _read(self, row: Any) -> Message:
        seq, message_id, email_id, sender, recipients, tags, configuration_set, accepted_at, kind, offset, size = row
        return Message(
            seq=seq,
            id=message_id,
            email_id=email_id,
            sender=sender,
            recipients=msgspec.json.decode(recipients, type=list[str]),
            tags=msgspec.json.decode(tags, type=dict[str, str]),
            configuration_set=configuration_set,
            accepted_at=accepted_at,
            kind=kind,
            content=self._store.body(Extent(offset, size)),
        )


def _recipient_rows(message: Message) -> list[SqlRow]:
    return [(address.lower(), message.seq) for address in message.recipients]


def _notification_rows(accepted: Accepted, subscriptions: Sequence[int]) -> list[SqlRow]:
    seq, now = accepted.message.seq, accepted.message.accepted_at
    return [
        (subscription, seq, event.kind, event.recipient, event.detail, now + event.after, now + event.after)
        for subscription in subscriptions
        for event in accepted.outcomes
    ]


def _suppression_rows(accepted: Accepted) -> list[SqlRow]:
    """Return the addresses to suppress: as in SES, those with a hard bounce or a complaint."""
    now = accepted.message.accepted_at
    return [
        (event.recipient.lower(), "COMPLAINT" if event.kind == "Complaint" else "BOUNCE", now + event.after)
        for event in accepted.outcomes
        if event.suppresses
    ]
