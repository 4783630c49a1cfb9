"""A/B tests over the bus: the winner is decided once and from the counts, and the results add up."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.kernel.ab_assignment import variant_of
from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
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
from libs.schemas.campaigns.ab_tests import (
    AbTest,
    AbTestResults,
    Variant,
    VariantResult,
)
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import (
    CampaignView,
    CancelCampaign,
    ChooseWinner,
    CreateCampaign,
    GetCampaign,
    PauseCampaign,
    ResumeCampaign,
    SendCampaign,
)
from libs.schemas.campaigns.results import (
    CampaignProgress,
    CampaignRecipient,
    CampaignRecipients,
    CampaignStats,
    GetAbTestResults,
    GetCampaignProgress,
    GetCampaignStats,
    ListCampaignRecipients,
)
from libs.schemas.contacts.contacts import (
    AudienceMember,
    AudiencePageResolved,
    AudienceResolved,
    AudienceStarted,
    ContactUnsubscribed,
)
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.domains import DomainVerified
from libs.schemas.delivery.emails import EmailFailed, EmailSent, EmailSuppressed
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
PEOPLE = 80
TEST = AbTest(variants=[Variant(key="A"), Variant(key="B", subject="Fresh news")], share_percent=50)
MAKE_DUE = "update timers set due_at = clock_timestamp() where name = 'winner-due' and project = $1"


@pytest.fixture(scope="module")
async def service(stack: Stack) -> AsyncIterator[Runtime]:
    settings = stack.settings("campaigns")
    async with running(build(settings), settings) as runtime:
        yield runtime


class RunningTest:
    """A campaign with an A/B test that is being sent, and the events that other services report about it."""

    def __init__(self, stack: Stack, service: Runtime, project: UUID, test: AbTest, people: int = PEOPLE) -> None:
        self.stack = stack
        self.service = service
        self.project = project
        self.test = test
        self.id = uuid7()
        self.contacts = [uuid4() for _ in range(people)]
        self.mails = {contact: uuid4() for contact in self.contacts}
        self.events: list[Event] = []

    def variant(self, contact: UUID) -> str | None:
        return variant_of(self.id, contact, self.test.keys, self.test.share_percent)

    def recipients_of(self, key: str | None) -> list[UUID]:
        return [contact for contact in self.contacts if self.variant(contact) == key]

    @property
    def in_test(self) -> list[UUID]:
        return [contact for contact in self.contacts if self.variant(contact)]

    def of(self, kind: type[Any], **fields: Any) -> list[Any]:
        """Return the reported events of a kind with these fields."""
        found = [event for event in self.events if type(event) is kind]
        return [event for event in found if all(getattr(event, name) == value for name, value in fields.items())]

    # --- events of other services ------------------------------------------------------------------------------------

    async def start(self) -> None:
        client = self.stack.client
        await announce(client, self.project, DomainVerified(domain_id=uuid4(), domain="example.com"))

        async def known() -> Any:
            return await self.service.pool.fetchval("select true from sender_domain where project = $1", self.project)

        await eventually(known)
        create = CreateCampaign(
            campaign_id=self.id,
            name="News",
            content=Content(subject="News", body="Hello", from_email="us@example.com"),
            audience=Audience(audience_type="ALL"),
            ab_test=self.test,
        )
        await tell(client, self.project, create, CampaignView)
        view = await tell(client, self.project, SendCampaign(campaign_id=self.id), CampaignView)
        assert view.ab_test
        assert view.ab_test.phase == "TESTING"
        await self.report(AudienceStarted(campaign_id=self.id))

    async def report(self, *events: Event) -> None:
        self.events += events
        await asyncio.gather(*(announce(self.stack.client, self.project, event) for event in events))

    def page(self, contacts: Sequence[UUID], number: int = 1) -> Event:
        members = [
            AudienceMember(contact_id=contact, email=f"{contact}@example.net", variant=self.variant(contact))
            for contact in contacts
        ]
        return AudiencePageResolved(campaign_id=self.id, page=number, members=members)

    def resolved(self) -> Event:
        return AudienceResolved(campaign_id=self.id, pages=1, total=len(self.contacts))

    def audience(self) -> list[Event]:
        return [self.page(self.contacts), self.resolved()]

    def outcome(self, kind: type[Any], contact: UUID, **fields: Any) -> Any:
        ids = {"email_id": self.mails[contact], "contact_id": contact, "campaign_id": self.id}
        return kind(source="CAMPAIGN", **ids, **fields)

    def sent(self, contact: UUID) -> Any:
        return self.outcome(EmailSent, contact, message_id="m", attempt=1, subject="News")

    def feedback(self, kind: type[Any], contact: UUID, **fields: Any) -> Any:
        ids = {"email_id": self.mails[contact], "contact_id": contact, "campaign_id": self.id}
        return kind(message_id="m", at=AT, **ids, **fields)

    def opened(self, contacts: Sequence[UUID], *, machine: bool = False) -> list[Event]:
        return [self.feedback(EmailOpened, contact, first=not machine, machine=machine) for contact in contacts]

    async def wait(self) -> None:
        """Report that the test's mails are sent, and that B is opened more often than A."""
        await self.report(*self.audience(), *(self.sent(contact) for contact in self.in_test))
        await self.until_phase("WAITING")
        a, b = self.recipients_of("A"), self.recipients_of("B")
        await self.report(*self.opened(a[:3]), *self.opened(b[: round(4 * len(b) / len(a)) + 1]))
        await self.until(opened_count=len(self.of(EmailOpened)))

    async def do(self, command: Any) -> CampaignView:
        return await tell(self.stack.client, self.project, command, CampaignView)

    async def make_due(self) -> None:
        """Make the timer of the winner due."""
        await self.service.pool.execute(MAKE_DUE, self.project)

    # --- views -------------------------------------------------------------------------------------------------------

    async def view(self) -> CampaignView:
        return await ask(self.stack.client, self.project, GetCampaign(campaign_id=self.id), CampaignView)

    async def results(self) -> AbTestResults:
        return await ask(self.stack.client, self.project, GetAbTestResults(campaign_id=self.id), AbTestResults)

    async def stats(self) -> CampaignStats:
        return await ask(self.stack.client, self.project, GetCampaignStats(campaign_id=self.id), CampaignStats)

    async def progress(self) -> CampaignProgress:
        return await ask(self.stack.client, self.project, GetCampaignProgress(campaign_id=self.id), CampaignProgress)

    async def recipients(self, **wanted: Any) -> list[CampaignRecipient]:
        query = ListCampaignRecipients(campaign_id=self.id, limit=1000, **wanted)
        return (await ask(self.stack.client, self.project, query, CampaignRecipients)).data

    async def until_phase(self, phase: str) -> CampaignView:
        async def reached() -> CampaignView | None:
            view = await self.view()
            return view if view.ab_test and view.ab_test.phase == phase else None

        return await eventually(reached)

    async def until(self, **expected: Any) -> CampaignStats:
        async def reached() -> CampaignStats | None:
            stats = await self.stats()
            return stats if all(getattr(stats, name) == value for name, value in expected.items()) else None

        return await eventually(reached)

    async def decisions(self) -> list[dict[str, Any]]:
        log = await facts(self.service, self.project)
        return [data for kind, data in log if kind == "campaign.winner_decided"]


@pytest.fixture
async def tested(stack: Stack, service: Runtime, project: UUID) -> RunningTest:
    """A campaign whose A/B test is in phase TESTING."""
    campaign = RunningTest(stack, service, project, TEST)
    await campaign.start()
    return campaign


@pytest.fixture
async def waiting(tested: RunningTest) -> RunningTest:
    await tested.wait()
    return tested


async def test_the_winner_is_decided_from_the_counts_when_it_is_due(waiting: RunningTest) -> None:
    view = await waiting.view()
    assert (view.status, view.ab_test and view.ab_test.winner) == ("SENDING", None)
    assert (await waiting.progress()).decide_at == (view.ab_test and view.ab_test.decide_at) is not None
    await waiting.report(*waiting.opened(waiting.recipients_of("A")[3:], machine=True))
    await waiting.make_due()
    test = (await waiting.until_phase("DECIDED")).ab_test
    assert test
    assert (test.winner, test.decided_by) == ("B", "deadline")
    [decision] = await waiting.decisions()
    assert (decision["variant"], decision["content"]["subject"], decision["tied"]) == ("B", "Fresh news", False)
    opened = Counter(waiting.variant(event.contact_id) for event in waiting.of(EmailOpened, machine=False))
    assert [(f["key"], f["sent"], f["opened"]) for f in decision["figures"]] == [
        (key, len(waiting.recipients_of(key)), opened[key]) for key in ("A", "B")
    ]
    assert (await waiting.progress()).decide_at is None
    await waiting.report(*(waiting.sent(contact) for contact in waiting.recipients_of(None)))
    await waiting.until(status="SENT", sent_count=PEOPLE)


async def test_only_one_of_several_replicas_decides(waiting: RunningTest) -> None:
    instances = [waiting.stack.settings("campaigns", instance=str(number)) for number in (2, 3)]
    async with running(build(instances[0]), instances[0]), running(build(instances[1]), instances[1]):
        await waiting.make_due()
        await waiting.until_phase("DECIDED")
    assert [decision["variant"] for decision in await waiting.decisions()] == ["B"]


async def test_the_deadline_changes_nothing_after_an_operator_has_decided(waiting: RunningTest) -> None:
    view = await waiting.do(ChooseWinner(campaign_id=waiting.id, variant="A"))
    assert view.ab_test
    assert (view.ab_test.phase, view.ab_test.winner, view.ab_test.decided_by) == ("DECIDED", "A", "operator")
    again = await waiting.do(ChooseWinner(campaign_id=waiting.id, variant="A"))
    assert again.ab_test == view.ab_test
    await waiting.make_due()

    async def fired() -> bool:
        query = "select count(*) from timers where name = 'winner-due' and project = $1"
        return bool(await waiting.service.pool.fetchval(query, waiting.project) == 0)

    await eventually(fired)
    assert [decision["variant"] for decision in await waiting.decisions()] == ["A"]
    with pytest.raises(Rejected) as no:
        await waiting.do(ChooseWinner(campaign_id=waiting.id, variant="B"))
    assert no.value.code == "AB_TEST_ALREADY_DECIDED"


async def test_an_operator_who_names_no_variant_chooses_the_best_so_far(waiting: RunningTest) -> None:
    view = await waiting.do(ChooseWinner(campaign_id=waiting.id))
    assert view.ab_test
    assert (view.ab_test.winner, view.ab_test.decided_by) == ("B", "operator")


async def test_pausing_holds_the_mails_but_not_the_deadline(waiting: RunningTest) -> None:
    await waiting.do(PauseCampaign(campaign_id=waiting.id))
    await waiting.make_due()
    view = await waiting.until_phase("DECIDED")
    assert view.status == "PAUSED"
    assert (await waiting.do(ResumeCampaign(campaign_id=waiting.id))).status == "SENDING"


async def test_a_campaign_that_is_cancelled_while_waiting_gets_no_winner(waiting: RunningTest) -> None:
    await waiting.do(CancelCampaign(campaign_id=waiting.id))
    await waiting.make_due()

    async def fired() -> bool:
        query = "select count(*) from timers where name = 'winner-due' and project = $1"
        return bool(await waiting.service.pool.fetchval(query, waiting.project) == 0)

    await eventually(fired)
    assert await waiting.decisions() == []
    assert (await waiting.view()).status == "CANCELLED"


async def test_the_deadline_counts_from_the_last_outcome_of_the_test(tested: RunningTest) -> None:
    first, second, *others = tested.in_test
    await tested.report(*(tested.sent(contact) for contact in others), *tested.audience())
    await tested.report(*(tested.sent(contact) for contact in tested.recipients_of(None)[:3]))
    await tested.report(tested.outcome(EmailSuppressed, first, reason="bounced"))
    await tested.until(sent_count=len(others) + 3, suppressed_count=1, resolved=PEOPLE)
    assert (await tested.until_phase("TESTING")).ab_test
    await tested.report(tested.outcome(EmailFailed, second, code="X", reason="no"))
    test = (await tested.until_phase("WAITING")).ab_test
    assert test
    assert test.decide_at
    [out] = [data for kind, data in await facts(tested.service, tested.project) if kind == "campaign.test_sent"]
    rows = await tested.service.pool.fetch(
        "select recorded_at from events where project = $1 and type = 'campaign.test_sent'", tested.project
    )
    waits = datetime.fromisoformat(out["decideAt"]) - rows[0]["recorded_at"]
    assert waits.total_seconds() == TEST.decide_after_minutes * 60


async def test_the_last_page_of_the_audience_may_arrive_last(tested: RunningTest) -> None:
    half = PEOPLE // 2
    await tested.report(tested.page(tested.contacts[:half]), tested.resolved())
    await tested.report(*(tested.sent(contact) for contact in tested.in_test))
    await tested.until(sent_count=len(tested.in_test), total_recipients=PEOPLE)
    assert (await tested.until_phase("TESTING")).status == "SENDING"
    await tested.report(tested.page(tested.contacts[half:], 2))
    await tested.until_phase("WAITING")


async def test_an_audience_too_small_for_a_test_gets_the_first_variant_at_once(
    stack: Stack, service: Runtime, project: UUID
) -> None:
    campaign = RunningTest(stack, service, project, TEST, people=0)
    while len(campaign.contacts) < 5:  # variant B has no recipients
        contact = uuid4()
        if campaign.variant(contact) != "B":
            campaign.contacts.append(contact)
            campaign.mails[contact] = uuid4()
    await campaign.start()
    await campaign.report(*campaign.audience())
    test = (await campaign.until_phase("DECIDED")).ab_test
    assert test
    assert (test.winner, test.decided_by, test.decide_at) == ("A", "audience_too_small", None)
    await campaign.report(*(campaign.sent(contact) for contact in campaign.contacts))
    await campaign.until(status="SENT")
    assert len(await campaign.decisions()) == 1


async def test_a_test_of_the_whole_audience_is_decided_after_everything_is_sent(
    stack: Stack, service: Runtime, project: UUID
) -> None:
    campaign = RunningTest(stack, service, project, AbTest(variants=TEST.variants, share_percent=100), people=30)
    await campaign.start()
    await campaign.report(*campaign.audience(), *(campaign.sent(contact) for contact in campaign.contacts))
    await campaign.until(status="SENT")
    await campaign.report(*campaign.opened(campaign.recipients_of("B")))
    await campaign.until(opened_count=len(campaign.recipients_of("B")))
    await campaign.make_due()
    view = await campaign.until_phase("DECIDED")
    assert (view.status, view.ab_test and view.ab_test.winner) == ("SENT", "B")


async def test_a_campaign_without_a_test_has_no_test_results(stack: Stack, service: Runtime, project: UUID) -> None:
    create = CreateCampaign(
        campaign_id=uuid7(), name="News", content=Content(subject="News", body="Hello", from_email="")
    )
    assert (await tell(stack.client, project, create, CampaignView)).ab_test is None
    with pytest.raises(Rejected) as no:
        await ask(stack.client, project, GetAbTestResults(campaign_id=create.campaign_id), AbTestResults)
    assert no.value.code == "AB_TEST_NOT_FOUND"


async def test_the_results_equal_a_recount_and_a_rebuild_for_any_order_of_events(tested: RunningTest) -> None:
    chance = random.Random(11)
    happened: list[Event] = tested.audience()
    for contact in tested.contacts:
        happened += life(tested, contact, chance)
    chance.shuffle(happened)
    await tested.do(ChooseWinner(campaign_id=tested.id, variant="B"))
    await tested.report(*happened)

    async def counted() -> bool:
        return matches(tested, await tested.results())

    await eventually(counted)
    before, view = await tested.results(), await tested.view()
    people = await tested.recipients()
    service = tested.service
    await rebuild(tested.stack.admin_url, service.client, service.service, service.service.read_models)
    assert (await tested.results(), await tested.view()) == (before, view)
    assert await tested.recipients() == people
    for each in people:
        assert (each.variant, each.in_test) == (
            tested.variant(each.contact_id) or "B",
            each.contact_id in tested.in_test,
        )
    assert {each.contact_id for each in await tested.recipients(variant="A")} == set(tested.recipients_of("A"))
    of_b = await tested.recipients(variant="B", status="sent")
    assert {each.contact_id for each in of_b} == {
        event.contact_id for event in tested.of(EmailSent) if tested.variant(event.contact_id) != "A"
    }
    assert await tested.recipients(variant="C") == []


async def test_the_rest_has_no_variant_before_the_decision(waiting: RunningTest) -> None:
    rest = [each for each in await waiting.recipients() if not each.in_test]
    assert {each.contact_id for each in rest} == set(waiting.recipients_of(None))
    assert {each.variant for each in rest} == {None}


def life(tested: RunningTest, contact: UUID, chance: random.Random) -> list[Event]:
    """Return the events of a random life of a mail."""
    way = chance.choice(["sent", "sent", "sent", "sent", "failed", "suppressed"])
    if way == "failed":
        return [tested.outcome(EmailFailed, contact, code="X", reason="no")]
    if way == "suppressed":
        return [tested.outcome(EmailSuppressed, contact, reason="unsubscribed")]
    events: list[Event] = [tested.sent(contact)]
    if chance.random() < 0.2:
        kind = chance.choice(["Permanent", "Transient"])
        return [*events, tested.feedback(EmailBounced, contact, bounce_type=kind, bounce_sub_type="General")]
    events.append(tested.feedback(EmailDelivered, contact))
    events += [tested.feedback(EmailOpened, contact, first=n == 0) for n in range(chance.randrange(3))]
    events.append(tested.feedback(EmailOpened, contact, first=False, machine=True))
    events += [
        tested.feedback(EmailClicked, contact, first=n == 0, link="https://x") for n in range(chance.randrange(3))
    ]
    if chance.random() < 0.2:
        events.append(tested.feedback(EmailComplained, contact))
    if chance.random() < 0.3:
        address = f"{contact}@example.net"
        events.append(
            ContactUnsubscribed(contact_id=contact, email=address, reason="link", email_id=tested.mails[contact])
        )
    return events


def matches(tested: RunningTest, results: AbTestResults) -> bool:
    """Whether the results equal a count of the events."""
    shown: dict[str | None, VariantResult] = {each.key: each for each in results.variants}
    shown[None] = results.rest
    return all(recounted(tested, key) == as_counted(shown[key]) for key in ("A", "B", None))


def recounted(tested: RunningTest, key: str | None) -> Counter[str]:
    them = set(tested.recipients_of(key))

    def of(kind: type[Any], **fields: Any) -> list[Any]:
        return [event for event in tested.of(kind, **fields) if event.contact_id in them]

    return Counter(
        total=len(them),
        sent=len(of(EmailSent)),
        failed=len(of(EmailFailed)),
        suppressed=len(of(EmailSuppressed)),
        delivered=len(of(EmailDelivered)),
        opened=len({event.email_id for event in of(EmailOpened, machine=False)}),
        opens=len(of(EmailOpened, machine=False)),
        clicked=len({event.email_id for event in of(EmailClicked)}),
        clicks=len(of(EmailClicked)),
        hard=len(of(EmailBounced, bounce_type="Permanent")),
        soft=len(of(EmailBounced, bounce_type="Transient")),
        complained=len(of(EmailComplained)),
        left=len(of(ContactUnsubscribed)),
    )


def as_counted(result: VariantResult) -> Counter[str]:
    sent = result.sent_count
    assert result.open_rate == (round(100 * result.opened_count / sent, 2) if sent else 0)
    assert result.click_rate == (round(100 * result.clicked_count / sent, 2) if sent else 0)
    return Counter(
        total=result.total_recipients,
        sent=result.sent_count,
        failed=result.failed_count,
        suppressed=result.suppressed_count,
        delivered=result.delivered_count,
        opened=result.opened_count,
        opens=result.total_opens,
        clicked=result.clicked_count,
        clicks=result.total_clicks,
        hard=result.hard_bounced_count,
        soft=result.soft_bounced_count,
        complained=result.complained_count,
        left=result.unsubscribed_count,
    )
