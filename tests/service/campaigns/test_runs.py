"""Campaigns while they are sent: events are counted in any order, and the end is appended once."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.messaging.bus import ask
from libs.runtime.operations.rebuild import rebuild
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import (
    announce,
    eventually,
    facts,
    running,
    tell,
)
from libs.schemas.base import Event
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import (
    CampaignView,
    CreateCampaign,
    GetCampaign,
    SendCampaign,
)
from libs.schemas.campaigns.results import CampaignStats, GetCampaignStats
from libs.schemas.contacts.contacts import (
    AudienceMember,
    AudiencePageResolved,
    AudienceResolved,
    AudienceStarted,
    ContactUnsubscribed,
)
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.domains import DomainVerified
from libs.schemas.delivery.emails import (
    EmailCancelled,
    EmailFailed,
    EmailSent,
    EmailSuppressed,
)
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailDelivered,
    EmailOpened,
)
from services.campaigns.app import build
from tests.conftest import Stack

AT = datetime(2026, 11, 21, tzinfo=UTC)


@pytest.fixture(scope="module")
async def service(stack: Stack) -> AsyncIterator[Runtime]:
    settings = stack.settings("campaigns")
    async with running(build(settings), settings) as runtime:
        yield runtime


class SendingCampaign:
    """A campaign that is being sent, and the events that other services report about it."""

    def __init__(self, stack: Stack, service: Runtime, project: UUID, campaign_id: UUID) -> None:
        self.stack = stack
        self.service = service
        self.project = project
        self.id = campaign_id

    def page(self, number: int, members: int) -> Event:
        people = [AudienceMember(contact_id=uuid4(), email=f"p{n}@example.net") for n in range(members)]
        return AudiencePageResolved(campaign_id=self.id, page=number, members=people)

    def resolved(self, total: int, pages: int = 1) -> Event:
        return AudienceResolved(campaign_id=self.id, pages=pages, total=total)

    def outcome(self, kind: type[Any], **fields: Any) -> Any:
        known = {"email_id": uuid4(), "contact_id": uuid4(), "source": "CAMPAIGN", "campaign_id": self.id}
        return kind(**{**known, **fields})

    def sent(self, **fields: Any) -> Any:
        return self.outcome(EmailSent, message_id="m", attempt=1, subject="News", **fields)

    def feedback(self, kind: type[Any], **fields: Any) -> Any:
        known = {"email_id": uuid4(), "contact_id": uuid4(), "message_id": "m", "at": AT, "campaign_id": self.id}
        return kind(**{**known, **fields})

    async def report(self, *events: Event) -> None:
        await asyncio.gather(*(announce(self.stack.client, self.project, event) for event in events))

    async def view(self) -> CampaignView:
        return await ask(self.stack.client, self.project, GetCampaign(campaign_id=self.id), CampaignView)

    async def stats(self) -> CampaignStats:
        return await ask(self.stack.client, self.project, GetCampaignStats(campaign_id=self.id), CampaignStats)

    async def until(self, **expected: Any) -> CampaignStats:
        """Wait until the statistics have these values, and return them."""

        async def reached() -> CampaignStats | None:
            stats = await self.stats()
            return stats if all(getattr(stats, name) == value for name, value in expected.items()) else None

        return await eventually(reached)

    async def times_sent(self) -> int:
        return [kind for kind, _ in await facts(self.service, self.project)].count("campaign.sent")


@pytest.fixture
async def campaign(stack: Stack, service: Runtime, project: UUID) -> SendingCampaign:
    """A campaign that is SENDING."""
    await announce(stack.client, project, DomainVerified(domain_id=uuid4(), domain="example.com"))

    async def known() -> Any:
        return await service.pool.fetchval("select true from sender_domain where project = $1", project)

    await eventually(known)
    create = CreateCampaign(
        campaign_id=uuid7(),
        name="News",
        content=Content(subject="News", body="Hello", from_email="us@example.com"),
        audience=Audience(audience_type="ALL"),
    )
    await tell(stack.client, project, create, CampaignView)
    await tell(stack.client, project, SendCampaign(campaign_id=create.campaign_id), CampaignView)
    sending = SendingCampaign(stack, service, project, create.campaign_id)
    await sending.report(AudienceStarted(campaign_id=sending.id))
    await sending.until(status="SENDING")
    return sending


async def test_a_run_ends_with_the_last_outcome(campaign: SendingCampaign) -> None:
    await campaign.report(campaign.page(1, 4), campaign.resolved(4))
    await campaign.report(
        campaign.sent(),
        campaign.outcome(EmailFailed, code="MessageRejected", reason="no"),
        campaign.outcome(EmailSuppressed, reason="bounced"),
    )
    stats = await campaign.until(sent_count=1, failed_count=1, suppressed_count=1)
    assert (stats.status, stats.queued) == ("SENDING", 1)
    await campaign.report(campaign.outcome(EmailCancelled, reason="cancelled"))
    stats = await campaign.until(status="SENT")
    assert (stats.total_recipients, stats.cancelled_count, stats.queued) == (4, 1, 0)
    [*_, (kind, data)] = await facts(campaign.service, campaign.project)
    assert (kind, data["recipients"]) == ("campaign.sent", 4)
    view = await campaign.view()
    assert (view.status, view.total_recipients, view.sent_count) == ("SENT", 4, 1)
    assert view.sent_at is not None


async def test_an_empty_audience_ends_at_once(campaign: SendingCampaign) -> None:
    await campaign.report(campaign.resolved(0, pages=0))
    assert (await campaign.until(status="SENT")).total_recipients == 0


async def test_a_run_ends_once_though_outcomes_arrive_before_their_pages_and_in_any_order(
    campaign: SendingCampaign,
) -> None:
    events: list[Event] = [campaign.sent() for _ in range(500)]
    events += [campaign.page(number, 100) for number in range(1, 6)]
    events += [campaign.resolved(500, pages=5)]
    random.Random(7).shuffle(events)
    settings = campaign.stack.settings("campaigns", instance="2")
    async with running(build(settings), settings):
        await campaign.report(*events)
        stats = await campaign.until(status="SENT", sent_count=500, resolved=500)
    assert stats.queued == 0
    assert await campaign.times_sent() == 1


async def test_a_run_does_not_end_before_the_whole_audience_is_resolved(campaign: SendingCampaign) -> None:
    await campaign.report(campaign.page(1, 2), campaign.sent(), campaign.sent())
    stats = await campaign.until(sent_count=2, resolved=2)
    assert (stats.status, stats.queued) == ("SENDING", 0)
    await campaign.report(campaign.resolved(2))
    await campaign.until(status="SENT")


async def test_events_that_arrive_before_the_campaign_are_counted(
    stack: Stack, service: Runtime, project: UUID
) -> None:
    stranger = SendingCampaign(stack, service, project, uuid7())
    await stranger.report(stranger.sent(), stranger.page(1, 1))

    async def counted() -> Any:
        row = await service.pool.fetchrow("select sent, resolved from campaign_run where project = $1", project)
        return tuple(row or ()) == (1, 1)

    await eventually(counted)


async def test_feedback_counts_each_mail_once(campaign: SendingCampaign) -> None:
    mail = uuid4()
    await campaign.report(
        campaign.feedback(EmailDelivered, email_id=mail),
        campaign.feedback(EmailDelivered, email_id=mail, first=False),
        campaign.feedback(EmailOpened, first=True),
        campaign.feedback(EmailOpened, first=False),
        campaign.feedback(EmailClicked, first=True, link="https://example.com"),
        campaign.feedback(EmailClicked, first=False, link="https://example.com"),
        campaign.feedback(EmailComplained),
        campaign.feedback(EmailComplained, first=False),
        campaign.feedback(EmailBounced, email_id=mail, bounce_type="Transient", bounce_sub_type="MailboxFull"),
        campaign.feedback(EmailBounced, email_id=mail, bounce_type="Permanent", bounce_sub_type="General"),
        campaign.feedback(EmailBounced, bounce_type="Permanent", bounce_sub_type="General"),
    )
    stats = await campaign.until(bounced_count=2, complained_count=1, clicked_count=1)
    assert (stats.delivered_count, stats.opened_count, stats.sent_count) == (1, 1, 0)


async def test_a_redelivered_event_is_counted_once(campaign: SendingCampaign) -> None:
    """Hand the event to the consumer twice: JetStream itself drops duplicates for two minutes only."""
    consumer = campaign.service.consumers["campaigns-events"].commit
    repeated = Envelope(id=uuid7(), project=campaign.project, message=campaign.sent(), at=AT, version=1)
    for _ in range(3):
        await consumer.submit(repeated)
    assert (await campaign.stats()).sent_count == 1


async def test_an_unsubscribe_through_a_mail_counts_for_its_campaign(campaign: SendingCampaign) -> None:
    after, before, bounced, other = (uuid4() for _ in range(4))

    def left(email_id: UUID, reason: Any = "link") -> Event:
        return ContactUnsubscribed(contact_id=uuid4(), email="p@example.net", reason=reason, email_id=email_id)

    await campaign.report(left(before), left(other))
    await campaign.report(*(campaign.sent(email_id=mail) for mail in (after, before, bounced)))
    await campaign.until(sent_count=3)
    await campaign.report(left(after), left(after), left(bounced, "bounce"))
    await campaign.until(unsubscribed_count=2)


async def test_mails_without_a_campaign_are_not_counted(campaign: SendingCampaign) -> None:
    alone = campaign.outcome(
        EmailSent, source="TRANSACTIONAL", campaign_id=None, message_id="m", attempt=1, subject="x"
    )
    await campaign.report(alone, campaign.feedback(EmailOpened, campaign_id=None, first=True), campaign.sent())
    stats = await campaign.until(sent_count=1)
    assert stats.opened_count == 0
    runs = await campaign.service.pool.fetchval(
        "select count(*) from campaign_run where project = $1", campaign.project
    )
    assert runs == 1


async def test_rebuilt_read_models_equal_the_original_ones(campaign: SendingCampaign) -> None:
    mail = uuid4()
    await campaign.report(
        campaign.page(1, 2),
        campaign.resolved(2),
        campaign.sent(email_id=mail),
        campaign.feedback(EmailBounced, email_id=mail, bounce_type="Transient", bounce_sub_type="General"),
        campaign.feedback(EmailBounced, email_id=mail, bounce_type="Permanent", bounce_sub_type="General"),
        campaign.feedback(EmailOpened, first=True),
        ContactUnsubscribed(contact_id=uuid4(), email="p@example.net", reason="link", email_id=mail),
    )
    before = await campaign.until(sent_count=1, bounced_count=1, opened_count=1, unsubscribed_count=1, resolved=2)
    view = await campaign.view()
    service = campaign.service
    await rebuild(campaign.stack.admin_url, service.client, service.service, service.service.read_models)
    assert await campaign.stats() == before
    assert await campaign.view() == view
    await campaign.report(campaign.sent())
    await campaign.until(status="SENT", sent_count=2)
