"""The intake: archives a batch of notifications and folds those that are new into what is known of each mail.

A batch takes four statements: archive, load, append, fold. A notification that cannot be read is set aside in the same
transaction, as a timer that reads it again by itself, with growing delays. In the end it is a dead letter, which can be
retried once the code knows its shape. The rest of its batch is handled without it.
"""

from collections import Counter
from collections.abc import Sequence
from functools import reduce
from uuid import UUID

from msgspec.structs import replace

from libs.kernel.personal_text import without_link_tokens
from libs.runtime.eventstore.codec import stream_of
from libs.runtime.eventstore.envelope import Envelope, Meta, Origin
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.base import Message
from libs.schemas.feedback.mails import EmailBounced, EmailComplained
from libs.schemas.feedback.notifications import RecordNotification, RecordNotifications
from services.feedback.ingest import metrics
from services.feedback.ingest.contradictions import contradiction, without_contradictions
from services.feedback.mails.email_feedback import INITIAL, decide, evolve
from services.feedback.mails.read_models import email_feedback
from services.feedback.notifications.archive import Entry, archive
from services.feedback.notifications.notice import Notice, notice_of
from services.feedback.notifications.ses import Contradictory, Unreadable, parse_notification
from services.feedback.reputation.mailbox_monitor import check_mailboxes
from services.feedback.reputation.monitor import ReputationMonitor

NO_PROJECT = UUID(int=0)
"""The project of notifications that are not read yet, or cannot be."""


class ReadAgain(Message, tag="read-again", frozen=True, kw_only=True):
    """The timer of a notification that could not be read so far."""

    notification: RecordNotification


class Intake:
    """Records notifications, and has `monitor`, if there is one, judge the projects with new bounces or complaints."""

    def __init__(self, monitor: ReputationMonitor | None) -> None:
        self._monitor = monitor

    async def record(
        self, unit: UnitOfWork, envelopes: Sequence[Envelope[RecordNotification | RecordNotifications]]
    ) -> None:
        """Archive and fold the notifications, and set aside those that cannot be read."""
        entries = []
        for notification in (_storable(each) for envelope in envelopes for each in _each(envelope.message)):
            try:
                entries.append(_read(notification))
            except Unreadable:
                await _set_aside(unit, notification)
        await self._archive_and_fold(unit, entries)

    async def read_again(self, unit: UnitOfWork, envelopes: Sequence[Envelope[ReadAgain]]) -> None:
        """Archive and fold the notifications. Raise Unreadable if one still cannot be read."""
        await self._archive_and_fold(unit, [_read(envelope.message.notification) for envelope in envelopes])

    async def _archive_and_fold(self, unit: UnitOfWork, entries: Sequence[Entry]) -> None:
        new = await archive(unit.conn, entries) if entries else []
        consistent = await without_contradictions(unit.conn, new)
        notices = [(entry.notification, entry.notice) for entry in consistent if entry.notice]
        refused = await _fold(unit, notices)
        await check_mailboxes(unit, [notice for _, notice in notices])
        if refused and self._monitor:
            await self._monitor.judge(unit, refused)
        _count(entries, new, consistent, unit)


def _each(message: RecordNotification | RecordNotifications) -> Sequence[RecordNotification]:
    return message.notifications if isinstance(message, RecordNotifications) else [message]


def _storable(notification: RecordNotification) -> RecordNotification:
    """Return the notification without NUL, which Postgres cannot store, and without the tokens of our own links."""
    message = without_link_tokens(notification.message.replace("\0", "\ufffd"))
    return notification if message == notification.message else replace(notification, message=message)


async def _set_aside(unit: UnitOfWork, notification: RecordNotification) -> None:
    cause = Origin(project=NO_PROJECT, meta=_meta(notification))
    await unit.schedule(str(notification.notification_id), unit.now, ReadAgain(notification=notification), cause)


def _read(notification: RecordNotification) -> Entry:
    try:
        parsed = parse_notification(notification.message)
        return Entry(notification, parsed.event_key() or notification.notification_id, parsed.kind, notice_of(parsed))
    except Unreadable:
        metrics.count("other", "unreadable")
        raise
    except Contradictory as error:
        return contradiction(notification, str(error))


async def _fold(unit: UnitOfWork, notices: Sequence[tuple[RecordNotification, Notice]]) -> set[UUID]:
    """Append the facts of the notices, and return the projects whose mail bounced or was complained about.

    The project is the one in the tags of the mail: the gateway, which received the notification, did not know it.
    """
    refused: set[UUID] = set()
    if not notices:
        return refused
    loaded = await email_feedback.load(unit.conn, {(notice.project, notice.email_id) for _, notice in notices})
    states = {key: state for key, (state, _) in loaded.items()}
    for notification, notice in notices:
        key = notice.project, notice.email_id
        if key in loaded:
            unit.expect(stream_of(notice.confirmed), loaded[key][1])
        state = states.get(key, INITIAL)
        events = decide(notice, state)
        states[key] = reduce(evolve, events, state)
        unit.append(events, Origin(project=notice.project, meta=_meta(notification)))
        if any(isinstance(event, EmailBounced | EmailComplained) for event in events):
            refused.add(notice.project)
    return refused


def _meta(notification: RecordNotification) -> Meta:
    notification_id = notification.notification_id
    return Meta(actor="sns", correlation_id=notification_id, causation_id=notification_id)


def _count(entries: Sequence[Entry], new: Sequence[Entry], consistent: Sequence[Entry], unit: UnitOfWork) -> None:
    new_ids, consistent_ids = {id(entry) for entry in new}, {id(entry) for entry in consistent}
    outcomes = Counter(
        (entry.kind, _outcome(entry, id(entry) in new_ids, id(entry) in consistent_ids)) for entry in entries
    )
    for (kind, outcome), times in outcomes.items():
        metrics.count(kind, outcome, times)
        if outcome == "folded":
            metrics.LAST_NOTIFICATION.set(unit.now.timestamp())


def _outcome(entry: Entry, is_new: bool, is_consistent: bool) -> str:
    if not is_new:
        return "repeated"
    if not is_consistent:
        return "contradictory"
    return "folded" if entry.notice else "foreign"
