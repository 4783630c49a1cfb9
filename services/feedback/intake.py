"""Takes in a batch of notifications: keep them word for word, then fold what is new into what is known of each mail.

Four statements a batch: keep, load, append, fold. A notification that cannot be read fails; so it is tried again and in
the end dead-lettered, where it is seen and can be retried once the code knows its shape. The rest of its batch is
handled without it.
"""

from collections.abc import Sequence
from functools import reduce

from libs.runtime.codec import stream_of
from libs.runtime.envelope import Envelope, Origin
from libs.runtime.store import Unit
from libs.schemas.feedback import RecordNotification
from services.feedback import archive, metrics
from services.feedback.archive import Entry
from services.feedback.email_feedback import INITIAL, decide, evolve
from services.feedback.notice import Notice, notice_of
from services.feedback.read_models import email_feedback
from services.feedback.ses import Unreadable, read


async def take_in(unit: Unit, envelopes: Sequence[Envelope[RecordNotification]]) -> None:
    entries = [_read(envelope) for envelope in envelopes]
    new = await archive.keep(unit.conn, entries)
    await _fold(unit, [(entry.envelope, entry.notice) for entry in new if entry.notice])
    _count(entries, new, unit)


def _read(envelope: Envelope[RecordNotification]) -> Entry:
    try:
        record = read(envelope.message.message)
        notice = notice_of(record)
    except Unreadable:
        metrics.count("other", "unreadable")
        raise
    return Entry(envelope, record.happening() or envelope.message.notification_id, record.kind, notice)


async def _fold(unit: Unit, news: Sequence[tuple[Envelope[RecordNotification], Notice]]) -> None:
    """The project is the one that the mail's tag names: at the edge it was not known."""
    if not news:
        return
    loaded = await email_feedback.load(unit.conn, {(notice.project, notice.email_id) for _, notice in news})
    states = {key: known for key, (known, _) in loaded.items()}
    for envelope, notice in news:
        key = notice.project, notice.email_id
        if key in loaded:
            unit.expect(stream_of(notice.confirmed), loaded[key][1])
        known = states.get(key, INITIAL)
        events = decide(notice, known)
        states[key] = reduce(evolve, events, known)
        unit.append(events, Origin(project=notice.project, meta=envelope.causes()))


def _count(entries: Sequence[Entry], new: Sequence[Entry], unit: Unit) -> None:
    fresh = {id(entry) for entry in new}
    for entry in entries:
        outcome = "repeated" if id(entry) not in fresh else "folded" if entry.notice else "foreign"
        metrics.count(entry.kind, outcome)
        if outcome == "folded":
            metrics.LAST.set(unit.now.timestamp())
