"""Takes in a batch of notifications: keep them word for word, then fold what is new into what is known of each mail.

Four statements a batch: keep, load, append, fold. A notification that cannot be read is put aside in the same
transaction and read again by itself, later and later; in the end it is a dead letter, where it is seen and can be
retried once the code knows its shape. The rest of its batch is handled without it.
"""

from collections import Counter
from collections.abc import Sequence
from functools import reduce
from uuid import UUID

from msgspec.structs import replace

from libs.runtime.eventstore.codec import stream_of
from libs.runtime.eventstore.envelope import Envelope, Meta, Origin
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Message
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from libs.schemas.feedback.notifications import RecordNotification, RecordNotifications
from services.feedback.ingest import metrics
from services.feedback.mails.email_feedback import INITIAL, decide, evolve
from services.feedback.mails.read_models import email_feedback
from services.feedback.notifications import archive
from services.feedback.notifications.archive import Entry
from services.feedback.notifications.notice import Notice, notice_of
from services.feedback.notifications.ses import Unreadable, read
from services.feedback.reputation import mailbox_monitor
from services.feedback.reputation.monitor import ReputationMonitor

NO_PROJECT = UUID(int=0)
"""Of what nobody could read."""


class ReadAgain(Message, tag="read-again", frozen=True, kw_only=True):
    """A notification that could not be read so far."""

    notification: RecordNotification


class Intake:
    """Records notifications, and has `monitor`, if there is one, judge the projects whose mail was refused."""

    def __init__(self, monitor: ReputationMonitor | None) -> None:
        self._monitor = monitor

    async def record(
        self, unit: UnitOfWork, envelopes: Sequence[Envelope[RecordNotification | RecordNotifications]]
    ) -> None:
        """Keep and fold what the messages tell, and put aside what cannot be read."""
        entries = []
        for told in (_storable(told) for envelope in envelopes for told in _each(envelope.message)):
            try:
                entries.append(_read(told))
            except Unreadable:
                await _put_aside(unit, told)
        await self._keep_and_fold(unit, entries)

    async def read_again(self, unit: UnitOfWork, envelopes: Sequence[Envelope[ReadAgain]]) -> None:
        """Raises Unreadable for what still cannot be read."""
        await self._keep_and_fold(unit, [_read(envelope.message.notification) for envelope in envelopes])

    async def _keep_and_fold(self, unit: UnitOfWork, entries: Sequence[Entry]) -> None:
        new = await archive.keep(unit.conn, entries) if entries else []
        suspects = await _fold(unit, [(entry.told, entry.notice) for entry in new if entry.notice])
        await mailbox_monitor.watch(unit, [entry.notice for entry in new if entry.notice])
        if suspects and self._monitor:
            await self._monitor.judge(unit, suspects)
        _count(entries, new, unit)


def _each(message: RecordNotification | RecordNotifications) -> Sequence[RecordNotification]:
    return message.notifications if isinstance(message, RecordNotifications) else [message]


def _storable(told: RecordNotification) -> RecordNotification:
    """Without NUL, which Postgres cannot store and JSON does not have."""
    return replace(told, message=told.message.replace("\0", "\ufffd")) if "\0" in told.message else told


async def _put_aside(unit: UnitOfWork, told: RecordNotification) -> None:
    cause = Origin(project=NO_PROJECT, meta=_meta(told))
    await unit.schedule(str(told.notification_id), unit.now, ReadAgain(notification=told), cause)


def _read(told: RecordNotification) -> Entry:
    try:
        record = read(told.message)
        notice = notice_of(record)
    except Unreadable:
        metrics.count("other", "unreadable")
        raise
    return Entry(told, record.happening() or told.notification_id, record.kind, notice)


async def _fold(unit: UnitOfWork, news: Sequence[tuple[RecordNotification, Notice]]) -> set[UUID]:
    """The project is the one that the mail's tag names: at the edge it was not known. Answers the projects whose mail
    bounced or was complained about."""
    suspects: set[UUID] = set()
    if not news:
        return suspects
    loaded = await email_feedback.load(unit.conn, {(notice.project, notice.email_id) for _, notice in news})
    states = {key: known for key, (known, _) in loaded.items()}
    for told, notice in news:
        key = notice.project, notice.email_id
        if key in loaded:
            unit.expect(stream_of(notice.confirmed), loaded[key][1])
        known = states.get(key, INITIAL)
        events = decide(notice, known)
        states[key] = reduce(evolve, events, known)
        unit.append(events, Origin(project=notice.project, meta=_meta(told)))
        if any(isinstance(event, EmailBounced | EmailComplained) for event in events):
            suspects.add(notice.project)
    return suspects


def _meta(told: RecordNotification) -> Meta:
    return Meta(actor="sns", correlation_id=told.notification_id, causation_id=told.notification_id)


def _count(entries: Sequence[Entry], new: Sequence[Entry], unit: UnitOfWork) -> None:
    fresh = {id(entry) for entry in new}
    outcomes = Counter((entry.kind, _outcome(entry, id(entry) in fresh)) for entry in entries)
    for (kind, outcome), times in outcomes.items():
        metrics.count(kind, outcome, times)
        if outcome == "folded":
            metrics.LAST.set(unit.now.timestamp())


def _outcome(entry: Entry, fresh: bool) -> str:
    if not fresh:
        return "repeated"
    return "folded" if entry.notice else "foreign"
