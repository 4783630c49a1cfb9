"""What is known of a mail, whatever the order of its notifications."""

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
    EmailFeedbackState,
    decide,
    evolve,
)
from services.feedback.notifications.notice import notice_of
from services.feedback.notifications.ses import parse_notification
from tests.notifications import BROWSER, MAILED_AT, SentMail, text

MAIL = SentMail(UUID(int=1), UUID(int=2), UUID(int=3), message_id="first")
AGAIN = SentMail(UUID(int=1), UUID(int=2), UUID(int=3), message_id="second")


def folded(*notifications: object) -> tuple[list[FeedbackEvent], EmailFeedbackState]:
    """Return the facts and the state after these notifications. Each event counts once, as in the archive."""
    events: list[FeedbackEvent] = []
    state, seen = INITIAL, set()
    for notification in (parse_notification(text(each)) for each in notifications):
        notice = notice_of(notification)
        assert notice
        if notification.event_key() not in seen:
            seen.add(notification.event_key())
            new = decide(notice, state)
            state = reduce(evolve, new, state)
            events += new
    return events, state


def names(events: Sequence[FeedbackEvent]) -> list[str]:
    return [tag_of(type(event)) for event in events]


def test_the_first_notification_of_a_mail_confirms_that_ses_has_it() -> None:
    events, state = folded(MAIL.published("Delivery", after=4))
    assert names(events) == ["email.confirmed", "email.delivered"]
    assert (state.confirmed_at, state.delivered_at) == (MAILED_AT, MAILED_AT + timedelta(seconds=4))


def test_a_mail_is_confirmed_once_for_each_message_id() -> None:
    events, state = folded(MAIL.published("Send"), MAIL.published("Delivery"), AGAIN.published("Send"))
    assert [event.message_id for event in events if isinstance(event, EmailConfirmed)] == ["first", "second"]
    assert state.message_ids == {"first", "second"}


def test_only_the_first_open_is_marked_first() -> None:
    events, state = folded(*(MAIL.published("Open", after=after) for after in (300, 200, 400)))
    assert [event.first for event in events if isinstance(event, EmailOpened)] == [True, False, False]
    assert (state.opens, state.opened_at) == (3, MAILED_AT + timedelta(seconds=200))


def test_machines_are_never_first_and_counted_separately() -> None:
    scan = MAIL.published("Click", after=1, userAgent=BROWSER)
    events, state = folded(scan, MAIL.published("Click", after=90, userAgent=BROWSER))
    assert [(event.machine, event.first) for event in events if isinstance(event, EmailClicked)] == [
        (True, False),
        (False, True),
    ]
    assert (state.clicks, state.machine_clicks, state.clicked_at) == (1, 1, MAILED_AT + timedelta(seconds=90))


def test_a_transient_bounce_does_not_hide_the_first_permanent_one() -> None:
    events, state = folded(MAIL.published("Bounce", after=1, bounceType="Transient"), MAIL.published("Bounce", after=2))
    assert [(event.bounce_type, event.first) for event in events if isinstance(event, EmailBounced)] == [
        ("Transient", True),
        ("Permanent", True),
    ]
    assert state.soft_bounced_at == MAILED_AT + timedelta(seconds=1)
    assert [event.again for event in events if isinstance(event, EmailBounced)] == [False, True]
    assert state.bounced_at == MAILED_AT + timedelta(seconds=2)


def test_the_same_notification_again_changes_nothing() -> None:
    open_, again = MAIL.published("Open"), MAIL.fed_back("Open", headers={"X-SES-MESSAGE-TAGS": ""})
    assert folded(open_, open_, open_) == folded(open_)
    assert parse_notification(text(open_)).event_key() == parse_notification(text(again)).event_key()


def test_a_late_delivery_does_not_undo_an_open() -> None:
    _, state = folded(MAIL.published("Open", after=30), MAIL.published("Delivery", after=2))
    assert state.opened_at == MAILED_AT + timedelta(seconds=30)
    assert state.delivered_at == MAILED_AT + timedelta(seconds=2)


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
    """Draw notifications about one mail that was sent once or twice."""
    kinds = draw(st.lists(KINDS, min_size=1, max_size=12))
    return [
        draw(st.sampled_from([MAIL, AGAIN])).published(kind, draw(AFTER), **draw(CHANGES.get(kind, st.just({}))))
        for kind in kinds
    ]


MARKS = ("first", "again")
"""What tells of a fact whether it counts: that depends on the order."""


def facts(events: Sequence[FeedbackEvent]) -> Counter[bytes]:
    """Return the facts as a multiset, regardless of which one of a kind is marked first."""
    return Counter(
        msgspec.json.encode(msgspec.structs.replace(event, **{mark: False for mark in MARKS if hasattr(event, mark)}))
        for event in events
    )


def bounced_mails(events: Sequence[FeedbackEvent]) -> int:
    """Count the mails that bounced, in whatever way."""
    return sum(isinstance(event, EmailBounced) and event.first and not event.again for event in events)


def firsts(events: Sequence[FeedbackEvent]) -> Counter[str]:
    """Count the facts marked first, by kind. Transient bounces are a kind of their own."""
    return Counter(
        f"{tag_of(type(event))} {getattr(event, 'bounce_type', '') == 'Transient'}"
        for event in events
        if getattr(event, "first", False)
    )


@given(st.data())
def test_any_order_and_repetition_give_the_same_facts_and_the_same_state(data: st.DataObject) -> None:
    story = data.draw(stories())
    repeated = story + data.draw(st.lists(st.sampled_from(story), max_size=8))
    shuffled = data.draw(st.permutations(repeated))

    events, state = folded(*story)
    events_then, state_then = folded(*shuffled)

    assert state_then == state
    assert facts(events_then) == facts(events)
    assert firsts(events_then) == firsts(events)
    assert bounced_mails(events_then) == bounced_mails(events) <= 1
    assert all(times == 1 for times in firsts(events).values())
