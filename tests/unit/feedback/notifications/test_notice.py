"""Notices read from the notifications of SES."""

from uuid import UUID, uuid4

import pytest

from libs.schemas.feedback.mails import EmailBounced
from services.feedback.notifications.notice import Notice, notice_of
from services.feedback.notifications.ses import SETUP_NOTICE, Unreadable, parse_notification
from tests.notifications import MAILED_AT, PARTS, SentMail, some_mail, text

MAIL = SentMail(UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), message_id="0100018f1c5e2a7b-9e0a6f5e-7f43-000000")


def notice(notification: object) -> Notice:
    found = notice_of(parse_notification(text(notification)))
    assert found
    return found


def fact(notification: object) -> dict[str, object]:
    [only] = notice(notification).facts
    return {name: getattr(only, name) for name in only.__struct_fields__}


@pytest.mark.parametrize("kind", PARTS)
def test_every_kind_confirms_that_ses_has_the_mail(kind: str) -> None:
    confirmed = notice(MAIL.published(kind)).confirmed
    assert confirmed.message_id == MAIL.message_id
    assert confirmed.at == MAILED_AT
    assert (confirmed.email_id, confirmed.contact_id, confirmed.campaign_id) == (UUID(int=2), UUID(int=3), UUID(int=4))


@pytest.mark.parametrize("kind", ["Send", "Subscription"])
def test_some_kinds_state_nothing_more(kind: str) -> None:
    assert notice(MAIL.published(kind)).facts == ()


def test_an_unknown_kind_still_confirms_that_ses_has_the_mail() -> None:
    later = MAIL.published("Send") | {"eventType": "Framed", "framed": {"timestamp": "soon"}}
    assert notice(later).facts == ()


def test_a_bounce_has_its_type_and_diagnostic() -> None:
    bounced = fact(MAIL.published("Bounce"))
    assert (bounced["bounce_type"], bounced["bounce_sub_type"]) == ("Permanent", "General")
    assert bounced["diagnostic"] == "smtp; 550 5.1.1 user unknown"


def test_an_unknown_bounce_type_is_undetermined() -> None:
    assert fact(MAIL.published("Bounce", bounceType="Quantum"))["bounce_type"] == "Undetermined"


def test_each_recipient_that_bounced_is_a_separate_fact() -> None:
    two = [
        {"emailAddress": "Ada <Ada@Example.com>", "diagnosticCode": "550"},
        {"emailAddress": "bob@example.com", "diagnosticCode": "551"},
    ]
    facts = notice(MAIL.published("Bounce", bouncedRecipients=two)).facts
    assert [(each.recipient, each.diagnostic) for each in facts if isinstance(each, EmailBounced)] == [
        ("ada@example.com", "550"),
        ("bob@example.com", "551"),
    ]


@pytest.mark.parametrize("kind", ["Bounce", "Complaint"])
def test_a_bounce_or_complaint_names_its_recipient(kind: str) -> None:
    assert fact(MAIL.published(kind))["recipient"] == "ada@example.com"


@pytest.mark.parametrize("kind, part", [
    ("Bounce", "bouncedRecipients"), ("Complaint", "complainedRecipients"),
])  # fmt: skip
def test_a_bounce_or_complaint_without_recipients_is_still_a_fact(kind: str, part: str) -> None:
    assert fact(MAIL.published(kind, 60.0, **{part: []}))["recipient"] is None


def test_a_click_names_its_link() -> None:
    assert fact(MAIL.published("Click"))["link"] == "https://example.com/offers?id=7"


def test_complaints_delays_and_rejections_have_their_reasons() -> None:
    assert fact(MAIL.published("Complaint"))["feedback_type"] == "abuse"
    assert fact(MAIL.published("DeliveryDelay"))["delay_type"] == "TransientCommunicationFailure"
    assert fact(MAIL.published("Reject"))["reason"] == "Bad content"
    assert fact(MAIL.published("Rendering Failure"))["reason"] == "Attribute 'name' is not present"


def test_an_event_without_a_time_happened_when_ses_accepted_the_mail() -> None:
    assert fact(MAIL.published("Reject"))["at"] == MAILED_AT


def test_text_of_foreign_servers_is_truncated_and_loses_nul() -> None:
    hostile = [{"emailAddress": "ada@example.com", "diagnosticCode": "550 \0no" + "!" * 5000}]
    diagnostic = fact(MAIL.published("Bounce", bouncedRecipients=hostile))["diagnostic"]
    assert isinstance(diagnostic, str)
    assert diagnostic.startswith("550 no!!!")
    assert len(diagnostic) <= 1000


@pytest.mark.parametrize("headers", [
    {"X-SES-MESSAGE-TAGS": ", ".join(f"{name}={value}" for name, value in MAIL.tags().items())},
    {"X-Godwit-Email": str(UUID(int=2)), "X-Godwit-Project": str(UUID(int=1)), "x-godwit-contact": str(UUID(int=3)),
     "X-Godwit-Campaign": str(UUID(int=4))},
])  # fmt: skip
def test_feedback_with_the_original_headers_gives_the_same_notice(headers: dict[str, str]) -> None:
    assert notice(MAIL.fed_back("Bounce", headers=headers)) == notice(MAIL.published("Bounce"))


@pytest.mark.parametrize("notification", [
    MAIL.fed_back("Bounce"),
    MAIL.fed_back("Bounce", headers={"X-Godwit-Email": str(UUID(int=2))}),
    MAIL.published("Open") | {"mail": MAIL.published("Open")["mail"] | {"tags": {"campaign": ["spring"]}}},
    MAIL.published("Open") | {"mail": MAIL.published("Open")["mail"] | {"tags": {"godwit_email": ["not an id"]}}},
    {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"},
    {"Records": [{"eventName": "ObjectCreated:Put"}]},
])  # fmt: skip
def test_a_notification_about_another_mail_gives_no_notice(notification: object) -> None:
    assert notice_of(parse_notification(text(notification))) is None


def test_the_message_to_a_new_topic_gives_no_notice() -> None:
    assert notice_of(parse_notification(SETUP_NOTICE + "\n")) is None


@pytest.mark.parametrize("message", [
    "", "hello", "[]", "42", '"x"', '{"eventType":"Open"', "[" * 100_000, '{"x":' * 100_000,
    text(MAIL.published("Open") | {"mail": {"messageId": "x"}}),
    text(MAIL.published("Open") | {"mail": MAIL.published("Open")["mail"] | {"messageId": "two words"}}),
    text(MAIL.published("Open") | {"open": {"timestamp": "yesterday"}}),
])  # fmt: skip
def test_a_message_that_is_no_notification_is_unreadable(message: str) -> None:
    with pytest.raises(Unreadable):
        parse_notification(message)


@pytest.mark.parametrize("kind", ["Bounce", "Complaint", "Open", "Click", "Delivery", "DeliveryDelay", "Reject"])
def test_a_notification_without_the_part_of_its_kind_is_unreadable(kind: str) -> None:
    notification = {name: value for name, value in MAIL.published(kind).items() if name in ("eventType", "mail")}
    with pytest.raises(Unreadable, match="lacks the part"):
        notice_of(parse_notification(text(notification)))


def test_the_event_key_is_the_same_in_both_shapes() -> None:
    published, fed_back = (
        parse_notification(text(each)) for each in (MAIL.published("Delivery"), MAIL.fed_back("Delivery"))
    )
    assert published.event_key() == fed_back.event_key()


def test_different_events_have_different_keys() -> None:
    notifications = [
        MAIL.published("Delivery"),
        MAIL.published("Delivery", after=61.0),
        MAIL.published("Delivery", recipients=["bob@example.com"]),
        MAIL.published("Open"),
        MAIL.published("Click"),
        MAIL.published("Click", link="https://example.com/other"),
        some_mail(uuid4()).published("Delivery"),
    ]
    assert len({parse_notification(text(each)).event_key() for each in notifications}) == len(notifications)


def test_taking_a_mail_out_of_the_spam_folder_is_no_complaint() -> None:
    told = notice(MAIL.published("Complaint", complaintFeedbackType="not-spam"))
    assert told.facts == () and told.confirmed


@pytest.mark.parametrize("kind", ["Bounce", "Complaint"])
def test_a_bounce_or_complaint_says_where_the_mail_was_sent_to(kind: str) -> None:
    assert fact(MAIL.published(kind))["sent_to"] == notice(MAIL.published(kind)).recipient
