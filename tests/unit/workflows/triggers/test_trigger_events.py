"""Events that can start a workflow."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from libs.schemas.contacts.contacts import ContactSubscribed, ContactUnsubscribed, EventTracked
from libs.schemas.delivery.emails import EmailSent
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailDelivered,
    EmailOpened,
)
from services.workflows.triggers.trigger_events import TRIGGERS, trigger_event_of

CONTACT, MAIL, WORKFLOW = uuid4(), uuid4(), uuid4()
AT = datetime(2026, 11, 21, tzinfo=UTC)
ABOUT: dict[str, Any] = {"email_id": MAIL, "contact_id": CONTACT, "workflow_id": WORKFLOW}
FEEDBACK: dict[str, Any] = {**ABOUT, "message_id": "m", "at": AT}

EVENTS = [
    (
        EventTracked(event_id=uuid4(), contact_id=CONTACT, email="a@example.com", name="signup", data={"plan": "pro"}),
        ("signup",),
    ),
    (ContactSubscribed(contact_id=CONTACT, email="a@example.com"), ("contact.subscribed",)),
    (ContactUnsubscribed(contact_id=CONTACT, email="a@example.com", reason="link"), ("contact.unsubscribed",)),
    (EmailSent(**ABOUT, source="WORKFLOW", message_id="m", attempt=1, subject="Hi"), ("email.sent",)),
    (EmailDelivered(**FEEDBACK), ("email.delivered", "email.delivery")),
    (EmailOpened(**FEEDBACK, first=True), ("email.opened", "email.open")),
    (EmailClicked(**FEEDBACK, first=True, link="https://example.com"), ("email.clicked", "email.click")),
    (
        EmailBounced(**FEEDBACK, bounce_type="Permanent", bounce_sub_type="General"),
        ("email.bounced", "email.bounce"),
    ),
    (EmailComplained(**FEEDBACK), ("email.complained", "email.complaint")),
]


def test_every_trigger_is_tested_here() -> None:
    assert {type(event) for event, _ in EVENTS} == set(TRIGGERS)


@pytest.mark.parametrize(("event", "names"), EVENTS)
def test_an_event_has_its_names(event: Any, names: tuple[str, ...]) -> None:
    trigger = trigger_event_of(event)
    assert trigger is not None
    assert (trigger.names, trigger.contact_id) == (names, CONTACT)


def test_the_context_of_a_tracked_event_is_its_data() -> None:
    trigger = trigger_event_of(EVENTS[0][0])
    assert trigger is not None
    assert (trigger.context, trigger.email, trigger.workflow_id) == ({"plan": "pro"}, "a@example.com", None)


def test_the_context_of_an_event_about_a_mail_is_its_fields_that_are_set() -> None:
    trigger = trigger_event_of(EVENTS[6][0])
    assert trigger is not None
    assert trigger.context["link"] == "https://example.com"
    assert trigger.context["emailId"] == str(MAIL)
    assert "campaignId" not in trigger.context
    assert (trigger.email, trigger.workflow_id) == ("", WORKFLOW)


@pytest.mark.parametrize(
    "event",
    [
        EmailOpened(**FEEDBACK, first=False, machine=True),
        EmailClicked(**FEEDBACK, first=False, link="https://example.com", machine=True),
    ],
)
def test_opens_and_clicks_by_machines_trigger_nothing(event: Any) -> None:
    assert trigger_event_of(event) is None
