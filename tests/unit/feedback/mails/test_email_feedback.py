"""What becomes known of a mail, whatever the order in which the news comes."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import reduce
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.eventstore.codec import tag_of
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailConfirmed,
    EmailOpened,
    FeedbackEvent,
)
from services.feedback.mails.email_feedback import (
    INITIAL,
    Known,
    decide,
    evolve,
)
from services.feedback.notifications.notice import notice_of
from services.feedback.notifications.ses import read
from tests.notifications import BROWSER, MAILED_AT, SentMail, text

MAIL = SentMail(UUID(int=1), UUID(int=2), UUID(int=3), message_id="first")
AGAIN = SentMail(UUID(int=1), UUID(int=2), UUID(int=3), message_id="second")


def told(*notifications: object) -> tuple[list[FeedbackEvent], Known]:
    """The facts, and what is known, after these notifications: each happening counts once, as in the archive."""
    events: list[FeedbackEvent] = []
    known, seen = INITIAL, set()
    for record in (read(text(each)) for each in notifications):
        notice = notice_of(record)
        assert notice
        if record.happening() not in seen:
            seen.add(record.happening())
            new = decide(notice, known)
            known = reduce(evolve, new, known)
            events += new
    return events, known


def names(events: Sequence[FeedbackEvent]) -> list[str]:
    return [tag_of(type(event)) for event in events]


def test_the_first_news_of_a_mail_confirms_that_ses_has_it() -> None:
    events, known = told(MAIL.published("Delivery", after=4))
    assert names(events) == ["email.confirmed", "email.delivered"]
    assert (known.confirmed_at, known.delivered_at) == (MAILED_AT, MAILED_AT + timedelta(seconds=4))


def test_a_mail_is_confirmed_once_for_each_id_that_ses_gave_it() -> None:
    events, known = told(MAIL.published("Send"), MAIL.published("Delivery"), AGAIN.published("Send"))
    assert [event.message_id for event in events if isinstance(event, EmailConfirmed)] == ["first", "second"]
    assert known.message_ids == {"first", "second"}


def test_only_the_first_open_is_the_first() -> None:
    events, known = told(*(MAIL.published("Open", after=after) for after in (300, 200, 400)))
    assert [event.first for event in events if isinstance(event, EmailOpened)] == [True, False, False]
    assert (known.opens, known.opened_at) == (3, MAILED_AT + timedelta(seconds=200))


def test_a_machine_is_never_first_and_counted_apart() -> None:
    scan = MAIL.published("Click", after=1, userAgent=BROWSER)
    events, known = told(scan, MAIL.published("Click", after=90, userAgent=BROWSER))
    assert [(event.machine, event.first) for event in events if isinstance(event, EmailClicked)] == [
        (True, False),
        (False, True),
    ]
    assert (known.clicks, known.machine_clicks, known.clicked_at) == (1, 1, MAILED_AT + timedelta(seconds=90))


def test_a_bounce_for_now_does_not_hide_the_first_one_for_good() -> None:
    events, known = told(MAIL.published("Bounce", after=1, bounceType="Transient"), MAIL.published("Bounce", after=2))
    assert [(event.bounce_type, event.first) for event in events if isinstance(event, EmailBounced)] == [
        ("Transient", True),
        ("Permanent", True),
    ]
    assert known.soft_bounced_at == MAILED_AT + timedelta(seconds=1)
    assert known.bounced_at == MAILED_AT + timedelta(seconds=2)


def test_the_same_notification_again_changes_nothing() -> None:
    open_, again = MAIL.published("Open"), MAIL.fed_back("Open", headers={"X-SES-MESSAGE-TAGS": ""})
    assert told(open_, open_, open_) == told(open_)
    assert read(text(open_)).happening() == read(text(again)).happening()


def test_a_late_delivery_does_not_undo_an_open() -> None:
    _, known = told(MAIL.published("Open", after=30), MAIL.published("Delivery", after=2))
    assert known.opened_at == MAILED_AT + timedelta(seconds=30)
    assert known.delivered_at == MAILED_AT + timedelta(seconds=2)


KINDS = st.sampled_from(
    ["Send", "Delivery", "Bounce", "Complaint", "Open", "Click", "DeliveryDelay", "Reject", "Rendering Failure"]
)
CHANGES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "Open": st.fixed_dictionaries({"userAgent": st.sampled_from([BROWSER, "Mozilla/5.0", "Thunderbird/128"])}),
    "Click": st.fixed_dictionaries({"link": st.sampled_from(["https://a.example/", "https://b.example/"])}),
    "Bounce": st.fixed_dictionaries({"bounceType": st.sampled_from(["Permanent", "Transient", "Undetermined"])}),
}
AFTER = st.integers(min_value=0, max_value=6)


@st.composite
def stories(draw: st.DrawFn) -> list[Any]:
    """Notifications about one mail that was sent once or twice."""
    kinds = draw(st.lists(KINDS, min_size=1, max_size=12))
    return [
        draw(st.sampled_from([MAIL, AGAIN])).published(kind, draw(AFTER), **draw(CHANGES.get(kind, st.just({}))))
        for kind in kinds
    ]


def facts(events: Sequence[FeedbackEvent]) -> Counter[bytes]:
    """The facts as a multiset, without saying which of a kind was called the first."""
    return Counter(
        msgspec.json.encode(msgspec.structs.replace(event, first=False) if hasattr(event, "first") else event)
        for event in events
    )


def firsts(events: Sequence[FeedbackEvent]) -> Counter[str]:
    """How often a fact was called the first, by kind; bounces for now are a kind of their own."""
    return Counter(
        f"{tag_of(type(event))} {getattr(event, 'bounce_type', '') == 'Transient'}"
        for event in events
        if getattr(event, "first", False)
    )


@given(st.data())
def test_any_order_and_any_repetition_end_in_the_same_facts_and_the_same_state(data: st.DataObject) -> None:
    story = data.draw(stories())
    repeated = story + data.draw(st.lists(st.sampled_from(story), max_size=8))
    shuffled = data.draw(st.permutations(repeated))

    events, known = told(*story)
    events_then, known_then = told(*shuffled)

    assert known_then == known
    assert facts(events_then) == facts(events)
    assert firsts(events_then) == firsts(events)
    assert all(times == 1 for times in firsts(events).values())
