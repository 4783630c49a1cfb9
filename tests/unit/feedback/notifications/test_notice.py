"""Reading what SES wrote."""

from uuid import UUID, uuid4

import pytest

from libs.schemas.feedback.mails import EmailBounced
from services.feedback.notifications.notice import Notice, notice_of
from services.feedback.notifications.ses import SETUP_NOTICE, Unreadable, read
from tests.notifications import MAILED_AT, PARTS, SentMail, some_mail, text

MAIL = SentMail(UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), message_id="0100018f1c5e2a7b-9e0a6f5e-7f43-000000")


def notice(notification: object) -> Notice:
    found = notice_of(read(text(notification)))
    assert found
    return found


def fact(notification: object) -> dict[str, object]:
    [told] = notice(notification).facts
    return {name: getattr(told, name) for name in told.__struct_fields__}


@pytest.mark.parametrize("kind", PARTS)
def test_every_kind_proves_that_ses_has_the_mail(kind: str) -> None:
    confirmed = notice(MAIL.published(kind)).confirmed
    assert confirmed.message_id == MAIL.message_id
    assert confirmed.at == MAILED_AT
    assert (confirmed.email_id, confirmed.contact_id, confirmed.campaign_id) == (UUID(int=2), UUID(int=3), UUID(int=4))


@pytest.mark.parametrize("kind", ["Send", "Subscription"])
def test_some_kinds_prove_nothing_more(kind: str) -> None:
    assert notice(MAIL.published(kind)).facts == ()


def test_a_kind_that_ses_invents_later_still_proves_that_it_has_the_mail() -> None:
    later = MAIL.published("Send") | {"eventType": "Framed", "framed": {"timestamp": "soon"}}
    assert notice(later).facts == ()


def test_a_bounce_says_how_and_why() -> None:
    bounced = fact(MAIL.published("Bounce"))
    assert (bounced["bounce_type"], bounced["bounce_sub_type"]) == ("Permanent", "General")
    assert bounced["diagnostic"] == "smtp; 550 5.1.1 user unknown"


def test_a_bounce_type_that_we_do_not_know_is_undetermined() -> None:
    assert fact(MAIL.published("Bounce", bounceType="Quantum"))["bounce_type"] == "Undetermined"


def test_each_recipient_that_bounced_is_a_fact_of_its_own() -> None:
    two = [
        {"emailAddress": "Ada <Ada@Example.com>", "diagnosticCode": "550"},
        {"emailAddress": "bob@example.com", "diagnosticCode": "551"},
    ]
    told = notice(MAIL.published("Bounce", bouncedRecipients=two)).facts
    assert [(each.recipient, each.diagnostic) for each in told if isinstance(each, EmailBounced)] == [
        ("ada@example.com", "550"),
        ("bob@example.com", "551"),
    ]


@pytest.mark.parametrize("kind", ["Bounce", "Complaint"])
def test_whom_it_is_about_is_named(kind: str) -> None:
    assert fact(MAIL.published(kind))["recipient"] == "ada@example.com"


@pytest.mark.parametrize("kind, part", [
    ("Bounce", "bouncedRecipients"), ("Complaint", "complainedRecipients"),
])  # fmt: skip
def test_where_nobody_is_named_it_is_still_a_fact(kind: str, part: str) -> None:
    assert fact(MAIL.published(kind, 60.0, **{part: []}))["recipient"] is None


def test_a_click_names_its_link() -> None:
    assert fact(MAIL.published("Click"))["link"] == "https://example.com/offers?id=7"


def test_a_complaint_a_delay_and_rejections_give_their_reasons() -> None:
    assert fact(MAIL.published("Complaint"))["feedback_type"] == "abuse"
    assert fact(MAIL.published("DeliveryDelay"))["delay_type"] == "TransientCommunicationFailure"
    assert fact(MAIL.published("Reject"))["reason"] == "Bad content"
    assert fact(MAIL.published("Rendering Failure"))["reason"] == "Attribute 'name' is not present"


def test_what_has_no_time_of_its_own_happened_when_ses_took_the_mail() -> None:
    assert fact(MAIL.published("Reject"))["at"] == MAILED_AT


def test_what_a_strangers_server_wrote_is_cut_short_and_freed_of_nul() -> None:
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
def test_feedback_with_the_original_headers_is_read_alike(headers: dict[str, str]) -> None:
    assert notice(MAIL.fed_back("Bounce", headers=headers)) == notice(MAIL.published("Bounce"))


@pytest.mark.parametrize("notification", [
    MAIL.fed_back("Bounce"),
    MAIL.fed_back("Bounce", headers={"X-Godwit-Email": str(UUID(int=2))}),
    MAIL.published("Open") | {"mail": MAIL.published("Open")["mail"] | {"tags": {"campaign": ["spring"]}}},
    MAIL.published("Open") | {"mail": MAIL.published("Open")["mail"] | {"tags": {"godwit_email": ["not an id"]}}},
    {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "You have successfully subscribed"},
    {"Records": [{"eventName": "ObjectCreated:Put"}]},
])  # fmt: skip
def test_what_is_not_about_a_mail_of_ours_is_foreign(notification: object) -> None:
    assert notice_of(read(text(notification))) is None


def test_ses_greeting_to_a_new_topic_is_foreign() -> None:
    assert notice_of(read(SETUP_NOTICE + "\n")) is None


@pytest.mark.parametrize("message", [
    "", "hello", "[]", "42", '"x"', '{"eventType":"Open"', "[" * 100_000, '{"x":' * 100_000,
    text(MAIL.published("Open") | {"mail": {"messageId": "x"}}),
    text(MAIL.published("Open") | {"mail": MAIL.published("Open")["mail"] | {"messageId": "two words"}}),
    text(MAIL.published("Open") | {"open": {"timestamp": "yesterday"}}),
])  # fmt: skip
def test_what_cannot_be_read_is_said_to_be_unreadable(message: str) -> None:
    with pytest.raises(Unreadable):
        read(message)


@pytest.mark.parametrize("kind", ["Bounce", "Complaint", "Open", "Click", "Delivery", "DeliveryDelay", "Reject"])
def test_a_kind_without_its_part_is_unreadable(kind: str) -> None:
    notification = {name: value for name, value in MAIL.published(kind).items() if name in ("eventType", "mail")}
    with pytest.raises(Unreadable, match="lacks the part"):
        notice_of(read(text(notification)))


def test_a_happening_is_the_same_whichever_topic_or_shape_tells_of_it() -> None:
    published, fed_back = (read(text(told)) for told in (MAIL.published("Delivery"), MAIL.fed_back("Delivery")))
    assert published.happening() == fed_back.happening()


def test_other_happenings_are_other_ones() -> None:
    told = [
        MAIL.published("Delivery"),
        MAIL.published("Delivery", after=61.0),
        MAIL.published("Delivery", recipients=["bob@example.com"]),
        MAIL.published("Open"),
        MAIL.published("Click"),
        MAIL.published("Click", link="https://example.com/other"),
        some_mail(uuid4()).published("Delivery"),
    ]
    assert len({read(text(each)).happening() for each in told}) == len(told)
