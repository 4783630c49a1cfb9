"""The feedback service on real Postgres and NATS: notifications in, facts out, in any order and repetition."""

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


async def publish(feedback: Runtime, content: object) -> UUID:
    """Publish a notification as the gateway does once the signature is checked, and return its id."""
    recorded = notification(content if isinstance(content, str) else text(content))
    message = ingest_message([recorded])
    await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    return recorded.notification_id


async def until_handled(feedback: Runtime, ids: Sequence[UUID]) -> None:
    async def all_handled() -> bool:
        return bool(await feedback.pool.fetchval(HANDLED, ids) == len(set(ids)))

    await eventually(all_handled)


async def publish_all(feedback: Runtime, *notifications: object) -> list[UUID]:
    """Publish the notifications one after another, wait until they are handled, and return their ids."""
    ids = [await publish(feedback, each) for each in notifications]
    await until_handled(feedback, ids)
    return ids


async def feedback_of(feedback: Runtime, mail: SentMail) -> EmailFeedback:
    return await ask(feedback.client, mail.project, GetEmailFeedback(email_id=mail.email_id), EmailFeedback)


async def test_a_notification_becomes_facts_of_the_project_in_its_tags(feedback: Runtime, project: UUID) -> None:
    mail = SentMail(project, uuid4(), uuid4(), uuid4())
    await publish_all(feedback, mail.published("Delivery", after=3))
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
    subscription = await feedback.client.subscribe(f"evt.feedback.{project}.>")
    ids = await publish_all(feedback, some_mail(project).published("Bounce"))
    messages = [await subscription.next_msg(timeout=10) for _ in range(2)]
    assert [message.subject.rpartition(f"{project}.")[2] for message in messages] == [
        "email.confirmed",
        "email.bounced",
    ]
    assert {(message.headers or {})["godwit-causation"] for message in messages} == {str(ids[0])}


async def test_the_feedback_of_a_mail_can_be_queried(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(project)
    await publish_all(
        feedback,
        mail.published("Send"),
        mail.published("Delivery", after=2),
        mail.published("Open", after=60),
        mail.published("Open", after=1, userAgent=BROWSER),
        mail.published("Click", after=70),
    )
    found = await feedback_of(feedback, mail)
    assert (found.opens, found.machine_opens, found.clicks) == (1, 1, 1)
    assert found.delivered_at and found.opened_at and found.clicked_at
    assert found.bounced_at is None


async def test_a_project_does_not_see_feedback_of_another(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(uuid4())
    await publish_all(feedback, mail.published("Delivery"))
    theirs = await ask(feedback.client, project, GetEmailFeedback(email_id=mail.email_id), EmailFeedback)
    assert (theirs.confirmed_at, theirs.delivered_at) == (None, None)


async def test_the_notification_is_archived_unchanged(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(project)
    written = text(mail.published("Click", link="https://example.com/ü?a=1"))
    ids = await publish_all(feedback, written)
    assert [tuple(row) for row in await feedback.pool.fetch(RAW, ids)] == [
        ("click", project, mail.email_id, written, TOPIC)
    ]


async def test_a_notification_about_another_mail_is_only_archived(feedback: Runtime) -> None:
    foreign = some_mail().fed_back("Bounce")
    before = await feedback.pool.fetchval("select count(*) from events")
    ids = await publish_all(
        feedback, foreign, {"notificationType": "AmazonSnsSubscriptionSucceeded", "message": "Hello"}
    )
    assert len(await feedback.pool.fetch(RAW, ids)) == 2
    assert await feedback.pool.fetchval("select count(*) from events") == before


async def test_feedback_without_tags_counts_if_it_has_the_headers(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(project)
    headers = {"X-SES-MESSAGE-TAGS": ", ".join(f"{name}={value}" for name, value in mail.tags().items())}
    await publish_all(feedback, mail.published("Complaint"), mail.fed_back("Complaint", headers=headers))
    assert [name for name, _ in await facts(feedback, project)] == ["email.confirmed", "email.complained"]


async def test_an_event_reported_by_several_topics_is_one_fact(feedback: Runtime, project: UUID) -> None:
    opened = some_mail(project).published("Open")
    await asyncio.gather(*(publish_all(feedback, opened) for _ in range(5)))
    assert [name for name, _ in await facts(feedback, project)] == ["email.confirmed", "email.opened"]


async def test_an_unreadable_notification_is_dead_lettered_and_does_not_block_others(
    feedback: Runtime, project: UUID
) -> None:
    dead = await feedback.client.subscribe("dead.feedback-timers")
    mails = [some_mail(project) for _ in range(20)]
    good = [publish(feedback, mail.published("Delivery")) for mail in mails]
    ids = await asyncio.gather(*good[:10], publish(feedback, '{"eventType":"Open","mail":{}}'), *good[10:])
    letter = await dead.next_msg(timeout=10)
    assert "Unreadable" in (letter.headers or {})["godwit-error"]
    assert msgspec.json.decode(letter.data)["notification"]["notificationId"] == str(ids[10])
    await until_handled(feedback, ids)
    assert Counter(name for name, _ in await facts(feedback, project))["email.delivered"] == 20


async def test_a_notification_that_names_another_project_than_its_mails_is_refused(
    feedback: Runtime, project: UUID
) -> None:
    mail = some_mail(project)
    foreign = msgspec.structs.replace(mail, project=uuid4())
    await publish_all(feedback, mail.published("Send"), foreign.published("Bounce"), mail.published("Delivery"))
    assert [name for name, _ in await facts(feedback, project)] == ["email.confirmed", "email.delivered"]
    assert await facts(feedback, foreign.project) == []
    assert (await feedback_of(feedback, foreign)).status == "UNKNOWN"


async def test_two_projects_in_one_message_do_not_share_a_mail(feedback: Runtime, project: UUID) -> None:
    mail = some_mail(project)
    foreign = msgspec.structs.replace(mail, project=uuid4())
    message = ingest_message([notification(text(each.published("Delivery"))) for each in (mail, foreign)])
    await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    await until_handled(feedback, [UUID(message.headers["Nats-Msg-Id"])])
    assert len(await facts(feedback, project)) == 2
    assert await facts(feedback, foreign.project) == []


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00"])
async def test_a_notification_from_an_impossible_time_is_refused_and_not_retried(
    feedback: Runtime, project: UUID, time: str
) -> None:
    mail, other = some_mail(project), some_mail(project)
    mailed = mail.published("Open")
    mailed["mail"]["timestamp"] = time
    opened = other.published("Open", timestamp=time)
    ids = await publish_all(feedback, mailed, opened, mail.published("Delivery"))
    assert [name for name, _ in await facts(feedback, project)] == ["email.confirmed", "email.delivered"]
    archived = await feedback.pool.fetch(RAW, ids[:2])
    assert [row["kind"] for row in archived] == ["contradictory", "contradictory"]
    assert not await feedback.pool.fetch("select key from timers where key = any($1)", [str(each) for each in ids])


async def test_notifications_in_one_message_are_folded_one_by_one(feedback: Runtime, project: UUID) -> None:
    mail, other = some_mail(project), some_mail(project)
    unreadable = notification('{"eventType":"Open"}')
    readable = [notification(text(each.published(kind))) for each in (mail, other) for kind in ("Delivery", "Open")]
    message = ingest_message([*readable[:2], unreadable, *readable, *readable])
    await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    await until_handled(feedback, [UUID(message.headers["Nats-Msg-Id"])])
    counts = Counter(name for name, _ in await facts(feedback, project))
    assert counts == {"email.confirmed": 2, "email.delivered": 2, "email.opened": 2}
    waiting = await feedback.pool.fetch("select key from timers where key = $1", str(unreadable.notification_id))
    assert len(waiting) <= 1


async def test_clicks_are_counted_per_link_and_the_status_never_goes_back(feedback: Runtime, project: UUID) -> None:
    mail, one, two = some_mail(project), "https://example.com/one", "https://example.com/" + "two" * 1000
    clicks = [mail.published("Click", after=60 + n, link=link) for n, link in enumerate((two, one, two))]
    await publish_all(feedback, *clicks, mail.published("Click", after=1, link=one, userAgent=BROWSER))
    await publish_all(feedback, mail.published("Delivery"), mail.published("Bounce", bounceType="Transient"))
    found = await feedback_of(feedback, mail)
    assert [(each.link, each.clicks, each.machine_clicks) for each in found.links] == [(two, 2, 0), (one, 1, 1)]
    assert found.status == "CLICKED"
    await publish_all(feedback, mail.published("Complaint"))
    assert (await feedback_of(feedback, mail)).status == "COMPLAINED"
    assert (await feedback_of(feedback, some_mail(project))).status == "UNKNOWN"


async def test_any_order_and_repetition_give_the_same_outcome(feedback: Runtime) -> None:
    rng = random.Random(20261120)
    mails = [some_mail() for _ in range(12)]
    ordered = await fold_story(feedback, uuid4(), [(mail, one) for mail in mails for one in story(rng)])
    shuffled = await fold_story(
        feedback, uuid4(), rng.sample(repeated := ordered.published + ordered.published, len(repeated))
    )
    assert shuffled.state == ordered.state
    assert shuffled.facts == ordered.facts


class Outcome(msgspec.Struct):
    published: list[Any]
    state: list[Any]
    facts: Counter[str]


async def fold_story(feedback: Runtime, project: UUID, notifications: list[Any]) -> Outcome:
    """Publish the notifications in a project and return the outcome, with the original ids of the mails."""
    ids: dict[UUID, UUID] = {}
    published = []
    for mail, (kind, after, changes) in notifications:
        ours = SentMail(
            project, ids.setdefault(mail.email_id, uuid4()), mail.contact_id, None, f"{project}{mail.message_id}"
        )
        published.append(publish(feedback, ours.published(kind, after, **changes)))
    await until_handled(feedback, await asyncio.gather(*published))
    original = {str(made): str(given) for given, made in ids.items()}
    rows = [dict(row) for row in await feedback.pool.fetch(STATE, project)]
    state = [row | {"project": 0, "email_id": original[str(row["email_id"])], "message_ids": 1} for row in rows]
    counted: Counter[str] = Counter()
    for name, data in await facts(feedback, project):
        first = data.pop("first", None)
        data.pop("again", None)  # as with first, which of them it is depends on the order
        same = data | {"emailId": original[data["emailId"]], "messageId": ""}
        counted.update([json.dumps(same, sort_keys=True), f"{name} of {same['emailId']} first {first}"])
    return Outcome(notifications, sorted(state, key=lambda row: str(row["email_id"])), counted)


def story(rng: random.Random) -> list[tuple[str, float, dict[str, Any]]]:
    """Return what happens to one mail."""
    events: list[tuple[str, float, dict[str, Any]]] = [("Send", 0, {}), ("Delivery", 2, {})]
    events += [("Open", rng.uniform(1, 90), {"userAgent": BROWSER}) for _ in range(rng.randrange(4))]
    events += [("Click", rng.uniform(1, 90), {"link": f"https://e.example/{n}"}) for n in range(rng.randrange(3))]
    events += [("Bounce", rng.uniform(3, 9), {"bounceType": kind}) for kind in ("Transient", "Permanent")]
    return events


async def test_two_replicas_share_the_notifications_and_lose_none(
    stack: Stack, feedback: Runtime, project: UUID
) -> None:
    config = stack.settings("feedback", instance="2")
    mails = [some_mail(project) for _ in range(10)]
    async with running(build(config), config):
        opens = [mail.published("Open", after=10 + n) for n in range(30) for mail in mails]
        ids = await asyncio.gather(*(publish(feedback, each) for each in opens))
        await until_handled(feedback, ids)
    found = [await feedback_of(feedback, mail) for mail in mails]
    assert [each.opens for each in found] == [30] * 10
    firsts = [data for name, data in await facts(feedback, project) if data.get("first")]
    assert len(firsts) == 10


async def test_old_notifications_are_deleted_and_their_facts_stay(stack: Stack, project: UUID) -> None:
    config = stack.settings("feedback")
    mail = some_mail(project)
    async with running(build(config), config) as runtime:
        ids = await publish_all(runtime, mail.published("Delivery"), mail.published("Open"))
        aged = "update notification set received_at = received_at - interval '91 days' where notification_id = $1"
        await runtime.pool.execute(aged, ids[0])
    async with running(build(config), config) as runtime:

        async def one_left() -> bool:
            return len(await runtime.pool.fetch(RAW, ids)) == 1

        await eventually(one_left)
        assert [row["kind"] for row in await runtime.pool.fetch(RAW, ids)] == ["open"]
        assert (await feedback_of(runtime, mail)).delivered_at


async def test_the_log_keeps_no_address_of_a_deleted_contact(feedback: Runtime, project: UUID) -> None:
    mail, other = some_mail(project), some_mail(project)
    await publish_all(feedback, mail.published("Bounce"), other.published("Complaint"))
    assert [data.get("recipient") for name, data in await facts(feedback, project) if name != "email.confirmed"] == [
        "ada@example.com",
        "ada@example.com",
    ]
    await until_handled(
        feedback, [await announce(feedback.client, project, ContactDeleted(contact_id=mail.contact_id))]
    )
    kept = {name: data for name, data in await facts(feedback, project) if name != "email.confirmed"}
    assert not kept["email.bounced"]["recipient"]
    assert not kept["email.bounced"]["diagnostic"]
    assert kept["email.complained"]["recipient"] == "ada@example.com"
    stored = await feedback.pool.fetch("select data from events where project = $1", project)
    assert not any("ada@" in row["data"] for row in stored)


def transient(mail: SentMail, after: float) -> object:
    return mail.published("Bounce", after=after, bounceType="Transient", bounceSubType="MailboxFull")


def mails_to_one(project: UUID, count: int) -> list[SentMail]:
    """Return that many mails to one contact."""
    contact_id = uuid4()
    return [SentMail(project, uuid4(), contact_id, message_id=f"0100-{uuid4()}-000000") for _ in range(count)]


async def mailbox_facts(feedback: Runtime, project: UUID) -> list[str]:
    return [kind for kind, _ in await facts(feedback, project) if kind.startswith("mailbox.")]


async def test_five_transient_bounces_in_a_row_mean_that_the_mailbox_is_failing(
    feedback: Runtime, project: UUID
) -> None:
    mails = mails_to_one(project, 6)
    for minute, mail in enumerate(mails[:4]):
        await publish_all(feedback, transient(mail, minute * 60), transient(mail, minute * 60 + 1))  # each counts once
    assert await mailbox_facts(feedback, project) == []
    await publish_all(feedback, transient(mails[4], 300))
    [failing] = [data for kind, data in await facts(feedback, project) if kind == "mailbox.failing"]
    assert (failing["recipient"], failing["bounces"]) == ("ada@example.com", 5)
    await publish_all(feedback, mails[5].published("Delivery", after=360))
    assert await mailbox_facts(feedback, project) == ["mailbox.failing", "mailbox.recovered"]


async def test_a_delivery_in_between_restarts_the_count(feedback: Runtime, project: UUID) -> None:
    mails = mails_to_one(project, 6)
    for minute, mail in enumerate(mails):
        reported = mail.published("Delivery", after=180) if minute == 3 else transient(mail, minute * 60)
        await publish_all(feedback, reported)
    assert await mailbox_facts(feedback, project) == []


async def test_a_delivery_in_between_that_is_reported_last_revokes_the_failure(
    feedback: Runtime, project: UUID
) -> None:
    mails = mails_to_one(project, 6)
    bounces = [transient(mail, minute * 60) for minute, mail in enumerate(mails[:5])]
    await publish_all(feedback, *random.Random(1).sample(bounces, 5))
    await publish_all(feedback, mails[5].published("Delivery", after=130))
    assert await mailbox_facts(feedback, project) == ["mailbox.failing", "mailbox.recovered"]
