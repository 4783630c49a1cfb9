"""The reputation monitor on real Postgres and NATS: projects are warned, paused and resumed."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest

from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import facts, running, tell
from libs.schemas.feedback.mails import Day, GetTimeseries
from libs.schemas.feedback.notifications import RecordNotifications
from libs.schemas.feedback.reputation import (
    GetReputation,
    PauseSending,
    ReputationView,
    ResumeSending,
)
from services.feedback.app import build
from services.feedback.ingest.intake import Intake
from services.feedback.reputation.monitor import ReputationMonitor
from services.gateway.sns import ingest_message
from tests.conftest import Stack
from tests.notifications import SentMail, some_mail, text
from tests.service.feedback.test_notifications import notification, until_handled

BY = "operator"


@pytest.fixture(scope="module")
async def feedback(stack: Stack) -> AsyncIterator[Runtime]:
    config = stack.settings("feedback")
    async with running(build(config), config) as runtime:
        yield runtime


async def send(feedback: Runtime, project: UUID, count: int, *kinds: str, at: datetime | None = None) -> None:
    """Publish that `count` mails of the project were sent, and that each had events of these kinds."""
    mails = [some_mail(project) for _ in range(count)]
    notifications = [notification(text(_at(mail, kind, at or now()))) for mail in mails for kind in ("Send", *kinds)]
    message = ingest_message(notifications)
    await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    await until_handled(feedback, [UUID(message.headers["Nats-Msg-Id"])])


def _at(mail: SentMail, kind: str, at: datetime) -> object:
    published = mail.published(kind, timestamp=at.isoformat()) if kind != "Send" else mail.published(kind)
    return published | {"mail": published["mail"] | {"timestamp": at.isoformat()}}


async def reputation_of(feedback: Runtime, project: UUID) -> ReputationView:
    return await ask(feedback.client, project, GetReputation(), ReputationView)


async def decisions(feedback: Runtime, project: UUID) -> list[str]:
    return [name for name, _ in await facts(feedback, project) if not name.startswith("email.")]


async def test_a_project_is_warned_and_then_paused_with_the_figures(feedback: Runtime, project: UUID) -> None:
    await send(feedback, project, 200)
    await send(feedback, project, 15, "Bounce", at=now() - timedelta(days=2))
    assert await decisions(feedback, project) == ["reputation.warned"]
    assert (await reputation_of(feedback, project)).standing == "WARNED"
    await send(feedback, project, 30, "Bounce")
    assert await decisions(feedback, project) == ["reputation.warned", "sending.paused"]
    found = await reputation_of(feedback, project)
    assert (found.is_disabled, found.reason, found.levels.bounce_7_day) == (True, "EMAIL_REPUTATION", "critical")
    assert (found.status.seven_day.total, found.status.seven_day.bounces) == (245, 45)
    assert (found.status.twenty_four_hour.total, found.status.twenty_four_hour.bounces) == (230, 30)
    pauses = [data for name, data in await facts(feedback, project) if name == "sending.paused"]
    assert {"metric": "bounce7Day", "level": "critical", "value": 18.367, "limit": 10.0, "sent": 245} in [
        {name: value for name, value in each.items() if name != "isCount"} for each in pauses[0]["findings"]
    ]


async def test_after_resuming_only_later_events_count(feedback: Runtime, project: UUID) -> None:
    await send(feedback, project, 120, "Bounce")
    assert (await reputation_of(feedback, project)).is_disabled
    resumed = await tell(feedback.client, project, ResumeSending(by=BY, note="list removed"), ReputationView)
    assert (resumed.is_disabled, resumed.standing) == (False, "HEALTHY")
    await send(feedback, project, 3, "Bounce")
    found = await reputation_of(feedback, project)
    assert (found.is_disabled, found.status.all_time.total, found.status.all_time.bounces) == (False, 3, 3)
    await send(feedback, project, 110, "Bounce")
    assert (await reputation_of(feedback, project)).is_disabled
    assert await decisions(feedback, project) == ["sending.paused", "sending.resumed", "sending.paused"]


async def test_complaints_pause_a_project_and_transient_bounces_do_not(feedback: Runtime, project: UUID) -> None:
    other = uuid4()
    mails = [some_mail(other) for _ in range(150)]
    soft = [notification(text(each)) for mail in mails for each in (
        mail.published("Send"), mail.published("Bounce", bounceType="Transient"))]  # fmt: skip
    message = ingest_message(soft)
    await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    await until_handled(feedback, [UUID(message.headers["Nats-Msg-Id"])])
    await send(feedback, project, 110, "Delivery", "Complaint")
    assert (await reputation_of(feedback, project)).is_disabled
    theirs = await reputation_of(feedback, other)
    assert (theirs.is_disabled, theirs.status.all_time.bounces) == (False, 0)


async def test_bounces_of_the_mailbox_simulator_do_not_count(feedback: Runtime, project: UUID) -> None:
    recipients = [{"emailAddress": "bounce@simulator.amazonses.com"}]
    mails = [some_mail(project) for _ in range(150)]
    message = ingest_message(
        [notification(text(mail.published("Bounce", bouncedRecipients=recipients))) for mail in mails]
    )
    await feedback.client.jetstream().publish(message.subject, message.body, headers=message.headers, timeout=5)
    await until_handled(feedback, [UUID(message.headers["Nats-Msg-Id"])])
    assert (await reputation_of(feedback, project)).status.all_time.bounces == 0


async def test_an_operator_pauses_once(feedback: Runtime, project: UUID) -> None:
    for _ in range(2):
        paused = await tell(feedback.client, project, PauseSending(by=BY), ReputationView)
        assert (paused.is_disabled, paused.reason) == (True, "MANUAL")
    assert await decisions(feedback, project) == ["sending.paused"]
    assert not (await reputation_of(feedback, uuid4())).is_disabled


async def test_without_pausing_a_project_is_only_warned(feedback: Runtime, project: UUID) -> None:
    bounced = [notification(text(some_mail(project).published("Bounce"))) for _ in range(120)]
    async with feedback.unit() as unit:
        message = RecordNotifications(notifications=bounced)
        await Intake(ReputationMonitor(pausing=False)).record(
            unit, [Envelope(id=uuid7(), project=project, message=message, at=now())]
        )
    assert await decisions(feedback, project) == ["reputation.warned"]
    found = await reputation_of(feedback, project)
    assert (found.is_disabled, found.status.should_disable) == (False, True)


async def test_each_day_has_its_counts_and_days_without_mail_have_zeros(feedback: Runtime, project: UUID) -> None:
    noon = now().replace(hour=12)
    await send(feedback, project, 3, "Delivery", "Open", at=noon - timedelta(days=2))
    await send(feedback, project, 2, "Bounce", at=noon)
    query = GetTimeseries(start=(noon - timedelta(days=3)).date(), end=noon.date())
    days = await ask(feedback.client, project, query, list[Day])
    assert [each.date.toordinal() - query.start.toordinal() for each in days] == [0, 1, 2, 3]
    assert [(each.emails, each.delivered, each.opens, each.bounces) for each in days] == [
        (0, 0, 0, 0),
        (3, 3, 3, 0),
        (0, 0, 0, 0),
        (2, 0, 0, 2),
    ]
