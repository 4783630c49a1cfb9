"""Notifications from an SQS queue: each is stored before it is deleted, whatever fails in between."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import boto3
import msgspec
import pytest

from libs.kernel.instants import iso
from libs.runtime.clock import now
from libs.runtime.messaging.bus import Unavailable, ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually, facts, running
from libs.schemas.feedback.mails import (
    Confirmed,
    EmailFeedback,
    FindConfirmed,
    GetEmailFeedback,
)
from services.feedback.app import build
from services.gateway.sns import ingest_message
from tests.conftest import Stack
from tests.notifications import SentMail, some_mail, text
from tests.sandbox.running import Sandbox
from tests.service.feedback.test_notifications import notification

TOPIC = "arn:aws:sns:eu-west-1:000000000000:godwit-sandbox"
QUEUE = "/000000000000/godwit-sandbox"


@pytest.fixture(scope="module", autouse=True)
def credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "any")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "thing")
        yield


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    started = Sandbox(tmp_path_factory.mktemp("sandbox"), "--queue")
    yield started
    started.stop()


@pytest.fixture
def sqs(sandbox: Sandbox) -> Any:
    return boto3.client("sqs", **sandbox.credentials)


@asynccontextmanager
async def polling(stack: Stack, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    changes = {"sqs_queue_url": sandbox.url + QUEUE, "aws_endpoint_url": sandbox.url, "sns_topic_arns": TOPIC}
    config = stack.settings("feedback", sqs_pollers=2, **changes)
    async with running(build(config), config) as runtime:
        yield runtime


@pytest.fixture(scope="module")
async def feedback(stack: Stack, sandbox: Sandbox) -> AsyncIterator[Runtime]:
    async with polling(stack, sandbox) as runtime:
        yield runtime


def wrapped(notification: object, topic: str = TOPIC) -> str:
    """Return the notification in SNS's envelope, as without raw message delivery."""
    envelope = {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": topic,
        "Message": text(notification),
        "Timestamp": iso(now()),
        "SignatureVersion": "1",
    }
    return msgspec.json.encode(envelope).decode()


def counts(sqs: Any, sandbox: Sandbox) -> tuple[int, int]:
    """Return the numbers of waiting messages and of messages that were received but not deleted."""
    attributes = sqs.get_queue_attributes(QueueUrl=sandbox.url + QUEUE, AttributeNames=["All"])["Attributes"]
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    return int(attributes[names[0]]), int(attributes[names[1]])


async def confirmed(feedback: Runtime, project: UUID, query: FindConfirmed) -> list[Confirmed]:
    """Return the reply once there is one, and an empty list before."""
    with suppress(Unavailable):
        return await ask(feedback.client, project, query, list[Confirmed])
    return []


async def until_empty(sqs: Any, sandbox: Sandbox) -> None:
    async def is_empty() -> bool:
        return counts(sqs, sandbox) == (0, 0)

    await eventually(is_empty)


@pytest.fixture
def send(sandbox: Sandbox, sqs: Any) -> Callable[[str], None]:
    return lambda body: sqs.send_message(QueueUrl=sandbox.url + QUEUE, MessageBody=body) and None


# This test comes first: later a replica with another queue is running, which might answer instead of this one.
async def test_notifications_from_a_downtime_are_folded_afterwards(stack: Stack, tmp_path: Path, project: UUID) -> None:
    sandbox = Sandbox(tmp_path / "sandbox", "--queue")
    sqs = boto3.client("sqs", **sandbox.credentials)
    mails = [some_mail(project) for _ in range(25)]
    for mail in mails:
        sqs.send_message(QueueUrl=sandbox.url + QUEUE, MessageBody=wrapped(mail.published("Delivery")))
    sandbox.kill()
    try:
        async with polling(stack, sandbox) as runtime:  # the queue cannot be reached yet
            query = FindConfirmed(email_ids=[mail.email_id for mail in mails])
            with pytest.raises(Unavailable, match="may be waiting"):
                await ask(runtime.client, project, query, list[Confirmed])
            sandbox.start()
            await until_empty(sqs, sandbox)
            found = await eventually(lambda: confirmed(runtime, project, query))
            assert {each.email_id for each in found} == {mail.email_id for mail in mails}
            assert len(await facts(runtime, project)) == 50
    finally:
        sandbox.stop()


async def test_notifications_of_the_sandbox_are_folded(feedback: Runtime, sandbox: Sandbox, project: UUID) -> None:
    mail = SentMail(project, uuid4(), uuid4())
    sandbox.ses.send_email(
        FromEmailAddress="news@example.com",
        Destination={"ToAddresses": ["bounce@simulator.amazonses.com"]},
        Content={"Simple": {"Subject": {"Data": "Hello"}, "Body": {"Text": {"Data": "Hi"}}}},
        EmailTags=[{"Name": name, "Value": value} for name, value in mail.tags().items()],
    )

    async def bounced() -> bool:
        found = await ask(feedback.client, project, GetEmailFeedback(email_id=mail.email_id), EmailFeedback)
        return found.status == "BOUNCED"

    await eventually(bounced)


async def test_enveloped_and_raw_messages_are_folded_and_deleted(
    feedback: Runtime, sandbox: Sandbox, sqs: Any, send: Callable[[str], None], project: UUID
) -> None:
    mails = [some_mail(project) for _ in range(12)]
    for mail in mails:
        send(wrapped(mail.published("Delivery")))
        send(text(mail.published("Open")))
        send(wrapped(mail.published("Delivery")))
    await until_empty(sqs, sandbox)
    names = [name for name, _ in await facts(feedback, project)]
    assert sorted(names) == ["email.confirmed"] * 12 + ["email.delivered"] * 12 + ["email.opened"] * 12


async def test_a_notification_on_both_paths_counts_once(
    feedback: Runtime, sandbox: Sandbox, sqs: Any, send: Callable[[str], None], project: UUID
) -> None:
    opens = [some_mail(project).published("Open") for _ in range(5)]
    for opened in opens:
        send(wrapped(opened))
        message = ingest_message([notification(text(opened))])
        await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    await until_empty(sqs, sandbox)

    async def all_folded() -> bool:
        return len(await facts(feedback, project)) >= 10

    await eventually(all_folded)
    assert sorted(name for name, _ in await facts(feedback, project)) == ["email.confirmed"] * 5 + ["email.opened"] * 5


async def test_an_unreadable_message_blocks_nothing_and_a_foreign_topic_stays_in_the_queue(
    feedback: Runtime, sandbox: Sandbox, sqs: Any, send: Callable[[str], None], project: UUID
) -> None:
    dead = await feedback.client.subscribe("dead.feedback-timers")
    opened = some_mail(project).published("Open")
    for body in ("not JSON", wrapped(opened, topic="arn:aws:sns:eu-west-1:1:other"), wrapped(opened)):
        send(body)

    async def only_the_foreign_one_is_left() -> bool:
        return counts(sqs, sandbox) == (0, 1)

    await eventually(only_the_foreign_one_is_left)
    assert [name for name, _ in await facts(feedback, project)] == ["email.confirmed", "email.opened"]
    letter = await dead.next_msg(timeout=15)
    assert msgspec.json.decode(letter.data)["notification"]["message"] == "not JSON"
    sqs.purge_queue(QueueUrl=sandbox.url + QUEUE)
