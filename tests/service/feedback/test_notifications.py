"""The feedback service on real Postgres and NATS: notifications in, facts out, whatever their order and repetition."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from libs.runtime.clock import now
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import (
    announce,
    eventually,
    facts,
    running,
)
from libs.schemas.contacts.contacts import ContactDeleted
from libs.schemas.feedback.mails import EmailFeedback, GetEmailFeedback
from libs.schemas.feedback.notifications import RecordNotification
from services.feedback.app import build
from services.gateway.sns import ingest_message
from tests.conftest import Stack
from tests.notifications import BROWSER, SentMail, some_mail, text

TOPIC = "arn:aws:sns:eu-west-1:123456789012:godwit-events"
HANDLED = "select count(*) from inbox where message_id = any($1::uuid[])"
RAW = "select kind, project, email_id, message, topic_arn from notification where notification_id = any($1::uuid[])"
STATE = "select * from email_feedback where project = $1 order by email_id"


@pytest.fixture(scope="module")
async def feedback(stack: Stack) -> AsyncIterator[Runtime]:
    config = stack.settings("feedback")
    async with running(build(config), config) as runtime:
        yield runtime


def notification(message: str) -> RecordNotification:
    return RecordNotification(notification_id=uuid4(), topic_arn=TOPIC, sent_at=now(), message=message)


async def publish(feedback: Runtime, written: object) -> UUID:
    """Hand a notification on as the gateway does, once its signature is checked; answers its id."""
    told = notification(written if isinstance(written, str) else text(written))
    message = ingest_message([told])
    await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    return told.notification_id


async def handled(feedback: Runtime, ids: Sequence[UUID]) -> None:
    async def all_in() -> bool:
        return bool(await feedback.pool.fetchval(HANDLED, ids) == len(set(ids)))

    await eventually(all_in)


async def tell(feedback: Runtime, *notifications: object) -> list[UUID]:
    """Publish these one after the other, and wait until they are handled."""
    ids = [await publish(feedback, each) for each in notifications]
    await handled(feedback, ids)
    return ids


async def known(feedback: Runtime, mail: SentMail) -> EmailFeedback:
    return await ask(feedback.client, mail.project, GetEmailFeedback(email_id=mail.email_id), EmailFeedback)


async def test_a_notification_becomes_facts_of_the_project_that_its_tag_names(feedback: Runtime, project: UUID) -> None:
    mail = SentMail(project, uuid4(), uuid4(), uuid4())
    await tell(feedback, mail.published("Delivery", after=3))
    common = {
        "emailId": str(mail.email_id),
        "contactId": str(mail.contact_id),
        "campaignId": str(mail.campaign_id),
        "messageId": mail.message_id,
        "workflowId": None,
        "executionId": None,
    }
    delivered = {"first": True}
    assert await facts(feedback, project) == [
        ("email.confirmed", {"type": "email.confirmed", "at": "2026-11-20T09:30:00.120000Z", **common}),
        ("email.delivered", {"type": "email.delivered", "at": "2026-11-20T09:30:03.120000Z", **delivered, **common}),
    ]


async def test_the_facts_are_published_for_other_services(feedback: Runtime, project: UUID) -> None:
    heard = await feedback.client.subscribe(f"evt.feedback.{project}.>")
    ids = await tell(feedback, some_mail(project).published("Bounce"))
    messages = [await heard.next_msg(timeout=10) for _ in range(2)]
    assert [message.subject.rpartition(f"{project}.")[2] for message in messages] == [
        "email.confirmed",
        "email.bounced",
    ]
    assert {(message.headers or {})["godwit-causation"] for message in messages} == {str(ids[0])}


async def test_what_is_known_of_a_mail_can_be_asked(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(project)
    await tell(
        feedback,
        mail.published("Send"),
        mail.published("Delivery", after=2),
        mail.published("Open", after=60),
        mail.published("Open", after=1, userAgent=BROWSER),
        mail.published("Click", after=70),
    )
    found = await known(feedback, mail)
    assert (found.opens, found.machine_opens, found.clicks) == (1, 1, 1)
    assert found.delivered_at and found.opened_at and found.clicked_at
    assert found.bounced_at is None


async def test_nothing_is_known_of_the_mail_of_another_project(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(uuid4())
    await tell(feedback, mail.published("Delivery"))
    theirs = await ask(feedback.client, project, GetEmailFeedback(email_id=mail.email_id), EmailFeedback)
    assert (theirs.confirmed_at, theirs.delivered_at) == (None, None)


async def test_the_notification_is_kept_word_for_word(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(project)
    written = text(mail.published("Click", link="https://example.com/ü?a=1"))
    ids = await tell(feedback, written)
    assert [tuple(row) for row in await feedback.pool.fetch(RAW, ids)] == [
        ("click", project, mail.email_id, written, TOPIC)
    ]


async def test_what_is_not_about_a_mail_of_ours_is_kept_and_nothing_more(feedback: Runtime) -> None:
    foreign = some_mail().fed_back("Bounce")
    before = await feedback.pool.fetchval("select count(*) from events")
    ids = await tell(feedback, foreign, {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "Hello"})
    assert len(await feedback.pool.fetch(RAW, ids)) == 2
    assert await feedback.pool.fetchval("select count(*) from events") == before


async def test_feedback_without_tags_counts_if_it_includes_the_headers(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(project)
    headers = {"X-SES-MESSAGE-TAGS": ", ".join(f"{name}={value}" for name, value in mail.tags().items())}
    await tell(feedback, mail.published("Complaint"), mail.fed_back("Complaint", headers=headers))
    assert [name for name, _ in await facts(feedback, project)] == ["email.confirmed", "email.complained"]


async def test_a_happening_that_two_topics_tell_of_is_one_fact(feedback: Runtime, project: UUID) -> None:
    opened = some_mail(project).published("Open")
    await asyncio.gather(*(tell(feedback, opened) for _ in range(5)))
    assert [name for name, _ in await facts(feedback, project)] == ["email.confirmed", "email.opened"]


async def test_a_notification_that_cannot_be_read_is_a_dead_letter_and_holds_nothing_up(
    feedback: Runtime, project: UUID
) -> None:
    dead = await feedback.client.subscribe("dead.feedback-timers")
    mails = [some_mail(project) for _ in range(20)]
    good = [publish(feedback, mail.published("Delivery")) for mail in mails]
    ids = await asyncio.gather(*good[:10], publish(feedback, '{"eventType":"Open","mail":{}}'), *good[10:])
    letter = await dead.next_msg(timeout=10)
    assert "Unreadable" in (letter.headers or {})["godwit-error"]
    assert msgspec.json.decode(letter.data)["notification"]["notificationId"] == str(ids[10])
    await handled(feedback, ids)
    assert Counter(name for name, _ in await facts(feedback, project))["email.delivered"] == 20


async def test_notifications_that_arrive_in_one_message_are_folded_each_by_itself(
    feedback: Runtime, project: UUID
) -> None:
    mail, other = some_mail(project), some_mail(project)
    unreadable = notification('{"eventType":"Open"}')
    readable = [notification(text(each.published(kind))) for each in (mail, other) for kind in ("Delivery", "Open")]
    message = ingest_message([*readable[:2], unreadable, *readable, *readable])
    await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    await handled(feedback, [UUID(message.headers["Nats-Msg-Id"])])
    told = Counter(name for name, _ in await facts(feedback, project))
    assert told == {"email.confirmed": 2, "email.delivered": 2, "email.opened": 2}
    waiting = await feedback.pool.fetch("select key from timers where key = $1", str(unreadable.notification_id))
    assert len(waiting) <= 1


async def test_clicks_are_counted_for_each_link_and_the_status_never_goes_back(
    feedback: Runtime, project: UUID
) -> None:
    mail, one, two = some_mail(project), "https://example.com/one", "https://example.com/" + "two" * 1000
    clicks = [mail.published("Click", after=60 + n, link=link) for n, link in enumerate((two, one, two))]
    await tell(feedback, *clicks, mail.published("Click", after=1, link=one, userAgent=BROWSER))
    await tell(feedback, mail.published("Delivery"), mail.published("Bounce", bounceType="Transient"))
    found = await known(feedback, mail)
    assert [(each.link, each.clicks, each.machine_clicks) for each in found.links] == [(two, 2, 0), (one, 1, 1)]
    assert found.status == "CLICKED"
    await tell(feedback, mail.published("Complaint"))
    assert (await known(feedback, mail)).status == "COMPLAINED"
    assert (await known(feedback, some_mail(project))).status == "UNKNOWN"


async def test_any_order_and_any_repetition_end_alike(feedback: Runtime) -> None:
    dice = random.Random(20261120)
    mails = [some_mail() for _ in range(12)]
    ordered = await told(feedback, uuid4(), [(mail, one) for mail in mails for one in story(dice)])
    shuffled = await told(feedback, uuid4(), dice.sample(repeated := ordered.told + ordered.told, len(repeated)))
    assert shuffled.state == ordered.state
    assert shuffled.facts == ordered.facts


class Outcome(msgspec.Struct):
    told: list[Any]
    state: list[Any]
    facts: Counter[str]


async def told(feedback: Runtime, project: UUID, news: list[Any]) -> Outcome:
    """What comes of the news in a project of its own. Ids of mails are made anew, and taken out of the outcome."""
    ids: dict[UUID, UUID] = {}
    published = []
    for mail, (kind, after, changes) in news:
        ours = SentMail(
            project, ids.setdefault(mail.email_id, uuid4()), mail.contact_id, None, f"{project}{mail.message_id}"
        )
        published.append(publish(feedback, ours.published(kind, after, **changes)))
    await handled(feedback, await asyncio.gather(*published))
    original = {str(made): str(given) for given, made in ids.items()}
    rows = [dict(row) for row in await feedback.pool.fetch(STATE, project)]
    state = [row | {"project": 0, "email_id": original[str(row["email_id"])], "message_ids": 1} for row in rows]
    counted: Counter[str] = Counter()
    for name, data in await facts(feedback, project):
        first = data.pop("first", None)
        same = data | {"emailId": original[data["emailId"]], "messageId": ""}
        counted.update([json.dumps(same, sort_keys=True), f"{name} of {same['emailId']} first {first}"])
    return Outcome(news, sorted(state, key=lambda row: str(row["email_id"])), counted)


def story(dice: random.Random) -> list[tuple[str, float, dict[str, Any]]]:
    """What happens to one mail."""
    happened: list[tuple[str, float, dict[str, Any]]] = [("Send", 0, {}), ("Delivery", 2, {})]
    happened += [("Open", dice.uniform(1, 90), {"userAgent": BROWSER}) for _ in range(dice.randrange(4))]
    happened += [("Click", dice.uniform(1, 90), {"link": f"https://e.example/{n}"}) for n in range(dice.randrange(3))]
    happened += [("Bounce", dice.uniform(3, 9), {"bounceType": kind}) for kind in ("Transient", "Permanent")]
    return happened


async def test_two_replicas_share_the_work_and_lose_nothing(stack: Stack, feedback: Runtime, project: UUID) -> None:
    config = stack.settings("feedback", instance="2")
    mails = [some_mail(project) for _ in range(10)]
    async with running(build(config), config):
        news = [mail.published("Open", after=10 + n) for n in range(30) for mail in mails]
        ids = await asyncio.gather(*(publish(feedback, each) for each in news))
        await handled(feedback, ids)
    found = [await known(feedback, mail) for mail in mails]
    assert [each.opens for each in found] == [30] * 10
    firsts = [data for name, data in await facts(feedback, project) if data.get("first")]
    assert len(firsts) == 10


async def test_old_notifications_are_dropped_and_their_facts_stay(stack: Stack, project: UUID) -> None:
    config = stack.settings("feedback")
    mail = some_mail(project)
    async with running(build(config), config) as runtime:
        ids = await tell(runtime, mail.published("Delivery"), mail.published("Open"))
        aged = "update notification set received_at = received_at - interval '91 days' where notification_id = $1"
        await runtime.pool.execute(aged, ids[0])
    async with running(build(config), config) as runtime:

        async def one_left() -> bool:
            return len(await runtime.pool.fetch(RAW, ids)) == 1

        await eventually(one_left)
        assert [row["kind"] for row in await runtime.pool.fetch(RAW, ids)] == ["open"]
        assert (await known(runtime, mail)).delivered_at


async def test_of_a_deleted_contact_the_log_keeps_no_address(feedback: Runtime, project: UUID) -> None:
    mail, other = some_mail(project), some_mail(project)
    await tell(feedback, mail.published("Bounce"), other.published("Complaint"))
    assert [data.get("recipient") for name, data in await facts(feedback, project) if name != "email.confirmed"] == [
        "ada@example.com",
        "ada@example.com",
    ]
    await handled(feedback, [await announce(feedback.client, project, ContactDeleted(contact_id=mail.contact_id))])
    kept = {name: data for name, data in await facts(feedback, project) if name != "email.confirmed"}
    assert not kept["email.bounced"]["recipient"]
    assert not kept["email.bounced"]["diagnostic"]
    assert kept["email.complained"]["recipient"] == "ada@example.com"
    stored = await feedback.pool.fetch("select data from events where project = $1", project)
    assert not any("ada@" in row["data"] for row in stored)


def transient(mail: SentMail, after: float) -> object:
    return mail.published("Bounce", after=after, bounceType="Transient", bounceSubType="MailboxFull")


def mails_to_one(project: UUID, count: int) -> list[SentMail]:
    """As many mails to the same contact."""
    reader = uuid4()
    return [SentMail(project, uuid4(), reader, message_id=f"0100-{uuid4()}-000000") for _ in range(count)]


async def said_of_mailboxes(feedback: Runtime, project: UUID) -> list[str]:
    return [kind for kind, _ in await facts(feedback, project) if kind.startswith("mailbox.")]


async def test_five_mails_in_a_row_that_bounce_for_now_say_that_the_mailbox_fails(
    feedback: Runtime, project: UUID
) -> None:
    mails = mails_to_one(project, 6)
    for minute, mail in enumerate(mails[:4]):
        await tell(feedback, transient(mail, minute * 60), transient(mail, minute * 60 + 1))  # each counts once
    assert await said_of_mailboxes(feedback, project) == []
    await tell(feedback, transient(mails[4], 300))
    [failing] = [data for kind, data in await facts(feedback, project) if kind == "mailbox.failing"]
    assert (failing["recipient"], failing["bounces"]) == ("ada@example.com", 5)
    await tell(feedback, mails[5].published("Delivery", after=360))
    assert await said_of_mailboxes(feedback, project) == ["mailbox.failing", "mailbox.recovered"]


async def test_a_delivery_between_them_begins_the_count_anew(feedback: Runtime, project: UUID) -> None:
    mails = mails_to_one(project, 6)
    for minute, mail in enumerate(mails):
        told = mail.published("Delivery", after=180) if minute == 3 else transient(mail, minute * 60)
        await tell(feedback, told)
    assert await said_of_mailboxes(feedback, project) == []


async def test_a_delivery_between_them_that_is_told_of_last_takes_back_what_was_said(
    feedback: Runtime, project: UUID
) -> None:
    mails = mails_to_one(project, 6)
    told = [transient(mail, minute * 60) for minute, mail in enumerate(mails[:5])]
    await tell(feedback, *random.Random(1).sample(told, 5))
    await tell(feedback, mails[5].published("Delivery", after=130))
    assert await said_of_mailboxes(feedback, project) == ["mailbox.failing", "mailbox.recovered"]
