"""The results of a campaign equal a recount of its events, in whatever order they arrive."""

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Envelope, Origin
from libs.runtime.messaging.bus import ask
from libs.runtime.messaging.group_commit import QueuedMessage
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually, running
from libs.schemas.base import Event
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import CampaignCreated, CampaignSendingStarted
from libs.schemas.campaigns.results import (
    CampaignHour,
    CampaignProgress,
    CampaignRecipient,
    CampaignRecipients,
    CampaignStats,
    GetCampaignProgress,
    GetCampaignStats,
    GetCampaignTimeline,
    LinkClicks,
    ListCampaignRecipients,
    ListLinkClicks,
)
from libs.schemas.contacts.contacts import (
    AudienceMember,
    AudiencePageResolved,
    AudienceResolved,
    ContactDeleted,
    ContactUnsubscribed,
)
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.emails import (
    EmailCancelled,
    EmailFailed,
    EmailRequeued,
    EmailSent,
    EmailSuppressed,
    EmailUnresolved,
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

CONTENT = Content(subject="News", body="Hello", from_email="us@example.com")
EVERYONE = Audience(audience_type="ALL")
LINKS = ("https://example.com/a", "https://example.com/b?x=" + "y" * 3000)
PEOPLE = 60
START = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
async def service(stack: Stack) -> AsyncIterator[Runtime]:
    settings = stack.settings("campaigns")
    async with running(build(settings), settings) as runtime:
        yield runtime


class RandomRun:
    """A random run of a campaign: all its events, each with its version in its stream."""

    def __init__(self, seed: int) -> None:
        self.campaign_id = uuid7()
        self.random = random.Random(seed)
        self.contacts = sorted(uuid4() for _ in range(PEOPLE))
        self.mails = {contact: uuid4() for contact in self.contacts}
        self.events: list[tuple[Event, int]] = []
        members = [AudienceMember(contact_id=contact, email=f"{contact}@example.net") for contact in self.contacts]
        self.add(AudiencePageResolved(campaign_id=self.campaign_id, page=1, members=members[:40]), 2)
        self.add(AudiencePageResolved(campaign_id=self.campaign_id, page=2, members=members[40:]), 3)
        self.add(AudienceResolved(campaign_id=self.campaign_id, pages=2, total=PEOPLE), 4)
        for contact in self.contacts:
            self.mail(contact)

    def add(self, event: Event, version: int = 1) -> None:
        self.events.append((event, version))

    def mail(self, contact: UUID) -> None:
        """Add the events of a random life of a mail."""
        way = self.random.choice(
            ["sent", "sent", "sent", "failed", "suppressed", "cancelled", "lost", "doubt", "queued"]
        )
        if way in ("lost", "doubt"):
            self.add(self.fact(EmailUnresolved, contact, attempt=1, cause="timeout"), 2)
        if way == "lost":
            self.add(self.fact(EmailRequeued, contact, attempt=2), 3)
        if way in ("sent", "lost"):
            self.add(self.fact(EmailSent, contact, message_id="m", attempt=1, subject="News"), 4)
            self.feedback(contact)
        elif way == "failed":
            self.add(self.fact(EmailFailed, contact, code="X", reason="no"), 2)
        elif way == "suppressed":
            reason = self.random.choice(["unsubscribed", "bounced"])
            self.add(self.fact(EmailSuppressed, contact, reason=reason), 2)
        elif way == "cancelled":
            self.add(self.fact(EmailCancelled, contact, reason="campaign_cancelled"), 2)

    def feedback(self, contact: UUID) -> None:
        if self.random.random() < 0.2:
            kind = self.random.choice(["Permanent", "Transient"])
            self.add(self.report(EmailBounced, contact, bounce_type=kind, bounce_sub_type="General"))
            return
        self.add(self.report(EmailDelivered, contact))
        for n in range(self.random.randrange(3)):
            self.add(self.report(EmailOpened, contact, first=n == 0))
        self.add(self.report(EmailOpened, contact, first=False, machine=True))
        for n in range(self.random.randrange(3)):
            self.add(self.report(EmailClicked, contact, first=n == 0, link=self.random.choice(LINKS)))
        if self.random.random() < 0.2:
            self.add(self.report(EmailComplained, contact))
        if self.random.random() < 0.2:
            address = f"{contact}@example.net"
            self.add(
                ContactUnsubscribed(contact_id=contact, email=address, reason="link", email_id=self.mails[contact])
            )

    def fact(self, kind: type[Any], contact: UUID, **fields: Any) -> Any:
        ids = {"email_id": self.mails[contact], "contact_id": contact, "campaign_id": self.campaign_id}
        return kind(source="CAMPAIGN", **ids, **fields)

    def report(self, kind: type[Any], contact: UUID, **fields: Any) -> Any:
        ids = {"email_id": self.mails[contact], "contact_id": contact, "campaign_id": self.campaign_id}
        at = START + timedelta(minutes=self.random.randrange(600))
        return kind(message_id="m", at=at, **ids, **fields)

    def of(self, kind: type[Any], **fields: Any) -> list[Any]:
        """Return the events of a kind with these fields."""
        found = [event for event, _ in self.events if type(event) is kind]
        return [event for event in found if all(getattr(event, name) == value for name, value in fields.items())]


async def start_sending(service: Runtime, project: UUID, campaign_id: UUID) -> None:
    """Append the events of a campaign that is being sent."""
    async with service.unit() as unit:
        events: list[Event] = [
            CampaignCreated(campaign_id=campaign_id, name="News", content=CONTENT, audience=EVERYONE),
            CampaignSendingStarted(campaign_id=campaign_id, content=CONTENT, audience=EVERYONE),
        ]
        unit.append(events, Origin(project=project))


@pytest.fixture(scope="module")
def project() -> UUID:
    """One project for the module: only its last test changes anything."""
    return uuid4()


@pytest.fixture(scope="module")
async def reported(service: Runtime, project: UUID) -> RandomRun:
    """A run whose events the service has received: shuffled, in batches, and some of them twice."""
    happened = RandomRun(7)
    await start_sending(service, project, happened.campaign_id)
    envelopes = [
        Envelope(id=uuid7(), project=project, message=event, at=now(), version=version)
        for event, version in happened.events
    ]
    again = envelopes + happened.random.sample(envelopes, 20)
    happened.random.shuffle(again)
    consumer = service.consumers["campaigns-events"].commit
    for start in range(0, len(again), 40):
        outcomes = await consumer.submit_all([QueuedMessage(envelope) for envelope in again[start : start + 40]])
        assert not any(isinstance(outcome, Exception) for outcome in outcomes)
    return happened


async def test_the_statistics_equal_a_recount(stack: Stack, project: UUID, reported: RandomRun) -> None:
    stats = await ask(stack.client, project, GetCampaignStats(campaign_id=reported.campaign_id), CampaignStats)
    suppressed = Counter(event.reason for event in reported.of(EmailSuppressed))
    settled = {e.email_id for kind in (EmailSent, EmailFailed) for e in reported.of(kind)}
    assert (stats.total_recipients, stats.resolved) == (PEOPLE, PEOPLE)
    assert stats.sent_count == len(reported.of(EmailSent))
    assert (stats.failed_count, stats.cancelled_count) == (
        len(reported.of(EmailFailed)),
        len(reported.of(EmailCancelled)),
    )
    assert (stats.suppressed_count, stats.suppressed_by_reason) == (suppressed.total(), dict(suppressed))
    assert stats.unknown_count == len([e for e in reported.of(EmailUnresolved) if e.email_id not in settled])
    assert stats.delivered_count == len(reported.of(EmailDelivered))
    assert stats.opened_count == len({e.email_id for e in reported.of(EmailOpened, machine=False)})
    assert stats.clicked_count == len({e.email_id for e in reported.of(EmailClicked)})
    assert stats.total_opens == len(reported.of(EmailOpened, machine=False))
    assert stats.total_clicks == len(reported.of(EmailClicked))
    assert stats.hard_bounced_count == len(reported.of(EmailBounced, bounce_type="Permanent"))
    assert stats.soft_bounced_count == len(reported.of(EmailBounced, bounce_type="Transient"))
    assert stats.bounced_count == len(reported.of(EmailBounced))
    assert stats.complained_count == len(reported.of(EmailComplained))
    assert stats.unsubscribed_count == len(reported.of(ContactUnsubscribed))
    assert stats.open_rate == round(100 * stats.opened_count / stats.sent_count, 2)
    assert (
        stats.queued + stats.sent_count + stats.failed_count + stats.suppressed_count + stats.cancelled_count == PEOPLE
    )


async def test_the_recipients_equal_a_recount(stack: Stack, project: UUID, reported: RandomRun) -> None:
    everyone = await recipients(stack, project, reported)
    assert [each.contact_id for each in everyone] == reported.contacts
    assert all(each.email == f"{each.contact_id}@example.net" for each in everyone)
    states = Counter(each.status for each in everyone)
    assert states["sent"] == len(reported.of(EmailSent))
    assert states["suppressed"] == len(reported.of(EmailSuppressed))
    assert {each.contact_id for each in everyone if each.unsubscribed} == {
        event.contact_id for event in reported.of(ContactUnsubscribed)
    }
    assert sum(each.opens for each in everyone) == len(reported.of(EmailOpened, machine=False))
    for each in everyone:
        opened = [event.at for event in reported.of(EmailOpened, contact_id=each.contact_id, machine=False)]
        assert each.opened_at == (iso(min(opened)) if opened else None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("sent", EmailSent),
        ("failed", EmailFailed),
        ("cancelled", EmailCancelled),
        ("delivered", EmailDelivered),
        ("clicked", EmailClicked),
        ("bounced", EmailBounced),
        ("complained", EmailComplained),
        ("unsubscribed", ContactUnsubscribed),
    ],
)
async def test_recipients_are_filtered_by_what_happened_to_them(
    stack: Stack, project: UUID, reported: RandomRun, status: Any, kind: type[Any]
) -> None:
    found = await recipients(stack, project, reported, status)
    assert [each.contact_id for each in found] == sorted({event.contact_id for event in reported.of(kind)})


async def test_the_links_equal_a_recount(stack: Stack, project: UUID, reported: RandomRun) -> None:
    links = await ask(stack.client, project, ListLinkClicks(campaign_id=reported.campaign_id), list[LinkClicks])
    for link in links:
        clicks = reported.of(EmailClicked, link=link.link)
        assert (link.clicks, link.unique_clicks) == (len(clicks), len({click.contact_id for click in clicks}))
    assert {link.link for link in links} == {click.link for click in reported.of(EmailClicked)}
    assert [link.clicks for link in links] == sorted((link.clicks for link in links), reverse=True)


async def test_the_hours_add_up(stack: Stack, project: UUID, reported: RandomRun) -> None:
    hours = await ask(stack.client, project, GetCampaignTimeline(campaign_id=reported.campaign_id), list[CampaignHour])
    delivered = Counter(iso(e.at.replace(minute=0)) for e in reported.of(EmailDelivered))
    assert {hour.hour: hour.delivered for hour in hours if hour.delivered} == delivered
    assert sum(hour.opened for hour in hours) == len(reported.of(EmailOpened, first=True))
    assert sum(hour.sent for hour in hours) == len(reported.of(EmailSent))


async def test_progress_shows_how_far_sending_is(stack: Stack, project: UUID, reported: RandomRun) -> None:
    progress = await ask(stack.client, project, GetCampaignProgress(campaign_id=reported.campaign_id), CampaignProgress)
    assert (progress.audience_known, progress.resolved, progress.sent) == (True, PEOPLE, len(reported.of(EmailSent)))


async def test_the_address_of_a_deleted_contact_is_erased(
    stack: Stack, service: Runtime, project: UUID, reported: RandomRun
) -> None:
    deleted = Envelope(
        id=uuid7(), project=project, message=ContactDeleted(contact_id=reported.contacts[0]), at=now(), version=9
    )
    await service.consumers["campaigns-events"].commit.submit(deleted)

    async def erased() -> bool:
        return (await recipients(stack, project, reported))[0].email is None

    await eventually(erased)
    assert (await recipients(stack, project, reported))[1].email is not None


async def test_another_project_sees_no_results(stack: Stack, reported: RandomRun) -> None:
    for query in (
        ListCampaignRecipients(campaign_id=reported.campaign_id),
        ListLinkClicks(campaign_id=reported.campaign_id),
        GetCampaignTimeline(campaign_id=reported.campaign_id),
        GetCampaignProgress(campaign_id=reported.campaign_id),
    ):
        with pytest.raises(Rejected) as no:
            await ask(stack.client, uuid4(), query, object)
        assert no.value.code == "CAMPAIGN_NOT_FOUND"


async def recipients(stack: Stack, project: UUID, reported: RandomRun, status: Any = None) -> list[CampaignRecipient]:
    """Return all recipients, page by page."""
    found: list[CampaignRecipient] = []
    cursor: str | None = None
    while True:
        query = ListCampaignRecipients(campaign_id=reported.campaign_id, status=status, limit=25, cursor=cursor)
        page = await ask(stack.client, project, query, CampaignRecipients)
        found += page.data
        cursor = page.cursor
        if not page.has_more:
            return found
