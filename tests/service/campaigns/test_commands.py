"""Commands on templates and campaigns, over the bus and in the database."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from nats.aio.client import Client

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import (
    announce,
    eventually,
    facts,
    running,
    tell,
)
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.base import Deleted
from libs.schemas.campaigns.campaigns import (
    CampaignCommand,
    CampaignPage,
    CampaignView,
    CancelCampaign,
    CreateCampaign,
    DeleteCampaign,
    DuplicateCampaign,
    GetCampaign,
    ListCampaigns,
    PauseCampaign,
    ResumeCampaign,
    ScheduleCampaign,
    SendCampaign,
    UnscheduleCampaign,
    UpdateCampaign,
)
from libs.schemas.campaigns.results import CampaignStats, GetCampaignStats
from libs.schemas.campaigns.templates import (
    CreateTemplate,
    GetTemplate,
    ListTemplates,
    TemplatePage,
    TemplateView,
)
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.domains import DomainVerified
from services.campaigns.app import build
from services.campaigns.campaigns.timers import CampaignDue
from tests.conftest import Stack

CONTENT = Content(subject="Hi {{ name ?? there }}", body="<p>Hello</p>", from_email="us@example.com")


@pytest.fixture(scope="module")
async def service(stack: Stack) -> AsyncIterator[Runtime]:
    settings = stack.settings("campaigns")
    async with running(build(settings), settings) as runtime:
        yield runtime


@pytest.fixture
async def sender(service: Runtime, stack: Stack, project: UUID) -> UUID:
    """A project that may send from example.com."""
    await verify(service, stack.client, project, "example.com")
    return project


async def verify(service: Runtime, client: Client, project: UUID, domain: str) -> None:
    await announce(client, project, DomainVerified(domain_id=uuid4(), domain=domain))

    async def known() -> Any:
        return await service.pool.fetchval("select true from sender_domain where project = $1", project)

    await eventually(known)


def draft(**changes: Any) -> CreateCampaign:
    given = {"campaign_id": uuid7(), "name": "News", "content": CONTENT, "audience": Audience(audience_type="ALL")}
    return CreateCampaign(**{**given, **changes})


async def test_a_created_template_is_shown_and_listed(stack: Stack, sender: UUID) -> None:
    command = CreateTemplate(template_id=uuid7(), name="Welcome", content=CONTENT)
    created = await tell(stack.client, sender, command, TemplateView)
    assert (created.name, created.from_email, created.kind) == ("Welcome", "us@example.com", "MARKETING")
    assert await ask(stack.client, sender, GetTemplate(template_id=created.id), TemplateView) == created
    page = await ask(stack.client, sender, ListTemplates(), TemplatePage)
    assert (page.data, page.total, page.total_pages) == ([created], 1, 1)


async def test_a_syntax_error_in_a_template_is_rejected_with_its_position(stack: Stack, sender: UUID) -> None:
    content = msgspec.structs.replace(CONTENT, body="fine\n{% nope %}")
    with pytest.raises(Rejected) as no:
        await tell(stack.client, sender, CreateTemplate(template_id=uuid7(), name="x", content=content), TemplateView)
    assert no.value.code == "VALIDATION_ERROR"
    assert no.value.errors[0].message.startswith("Line 2, column 4: ")
    assert (await ask(stack.client, sender, ListTemplates(), TemplatePage)).total == 0


async def test_a_campaign_needs_a_verified_domain_of_its_own_project(
    service: Runtime, stack: Stack, sender: UUID
) -> None:
    other = uuid4()
    with pytest.raises(Rejected) as no:
        await tell(stack.client, other, draft(), CampaignView)
    assert no.value.code == "DOMAIN_NOT_VERIFIED"
    assert await facts(service, other) == []


async def test_a_created_campaign_is_shown_and_listed_by_status(stack: Stack, sender: UUID) -> None:
    created = await tell(stack.client, sender, draft(), CampaignView)
    assert (created.status, created.total_recipients, created.sent_at) == ("DRAFT", 0, None)
    assert await ask(stack.client, sender, GetCampaign(campaign_id=created.id), CampaignView) == created
    drafts = await ask(stack.client, sender, ListCampaigns(status="DRAFT"), CampaignPage)
    assert (drafts.data, drafts.total) == ([created], 1)
    assert (await ask(stack.client, sender, ListCampaigns(status="SENT"), CampaignPage)).total == 0


async def test_the_newest_campaigns_come_first_page_by_page(stack: Stack, sender: UUID) -> None:
    for name in ("first", "second", "third"):
        await tell(stack.client, sender, draft(name=name), CampaignView)
    pages = [await ask(stack.client, sender, ListCampaigns(page=page, page_size=2), CampaignPage) for page in (1, 2, 3)]
    assert [[campaign.name for campaign in page.data] for page in pages] == [["third", "second"], ["first"], []]
    assert [(page.total, page.total_pages) for page in pages] == [(3, 2)] * 3


async def test_other_projects_do_not_see_a_campaign(stack: Stack, sender: UUID) -> None:
    created = await tell(stack.client, sender, draft(), CampaignView)
    for query in (GetCampaign(campaign_id=created.id), GetCampaignStats(campaign_id=created.id)):
        with pytest.raises(Rejected) as no:
            await ask(stack.client, uuid4(), query, CampaignView)
        assert no.value.code == "CAMPAIGN_NOT_FOUND"
    with pytest.raises(Rejected) as no:
        await tell(stack.client, uuid4(), SendCampaign(campaign_id=created.id), CampaignView)
    assert no.value.code == "CAMPAIGN_NOT_FOUND"


async def test_an_unknown_template_is_not_found(stack: Stack, project: UUID) -> None:
    with pytest.raises(Rejected) as no:
        await ask(stack.client, project, GetTemplate(template_id=uuid4()), TemplateView)
    assert no.value.code == "TEMPLATE_NOT_FOUND"


async def test_sending_replies_with_the_queued_campaign(service: Runtime, stack: Stack, sender: UUID) -> None:
    created = await tell(stack.client, sender, draft(), CampaignView)
    sending = await tell(stack.client, sender, SendCampaign(campaign_id=created.id), CampaignView)
    assert sending.status == "QUEUED"
    assert [kind for kind, _ in await facts(service, sender)] == ["campaign.created", "campaign.sending_started"]
    stats = await ask(stack.client, sender, GetCampaignStats(campaign_id=created.id), CampaignStats)
    assert (stats.status, stats.sent_count) == ("QUEUED", 0)


async def test_creating_the_same_campaign_twice_appends_one_event(service: Runtime, stack: Stack, sender: UUID) -> None:
    command = draft()
    created = await tell(stack.client, sender, command, CampaignView)
    assert await tell(stack.client, sender, command, CampaignView) == created
    assert [kind for kind, _ in await facts(service, sender)] == ["campaign.created"]


async def test_twenty_parallel_sends_start_one_run(stack: Stack, sender: UUID) -> None:
    settings = stack.settings("campaigns", instance="2")
    async with running(build(settings), settings) as replica:
        created = await tell(stack.client, sender, draft(), CampaignView)
        send = SendCampaign(campaign_id=created.id, asked_at=now())
        outcomes = await asyncio.gather(
            *(tell(stack.client, sender, send, CampaignView) for _ in range(20)), return_exceptions=True
        )
        started = [outcome for outcome in outcomes if isinstance(outcome, CampaignView)]
        refused = [outcome.code for outcome in outcomes if isinstance(outcome, Rejected)]
        assert (len(started), refused) == (1, ["CAMPAIGN_TRANSITION_IN_PROGRESS"] * 19)
        kinds = [kind for kind, _ in await facts(replica, sender)]
        assert kinds.count("campaign.sending_started") == 1


async def test_a_campaign_goes_through_its_life(service: Runtime, stack: Stack, sender: UUID) -> None:
    client, campaign_id = stack.client, (await tell(stack.client, sender, draft(), CampaignView)).id

    async def does(command: CampaignCommand) -> str:
        return (await tell(client, sender, command, CampaignView)).status

    later = now() + timedelta(days=1)
    scheduled = await tell(client, sender, ScheduleCampaign(campaign_id=campaign_id, scheduled_for=later), CampaignView)
    assert (scheduled.status, scheduled.scheduled_for) == ("SCHEDULED", iso(later))
    assert await does(UnscheduleCampaign(campaign_id=campaign_id)) == "DRAFT"
    assert await does(UpdateCampaign(campaign_id=campaign_id, name="Renamed")) == "DRAFT"
    assert await does(SendCampaign(campaign_id=campaign_id)) == "QUEUED"
    assert await does(PauseCampaign(campaign_id=campaign_id)) == "PAUSED"
    assert await does(ResumeCampaign(campaign_id=campaign_id)) == "SENDING"
    assert await does(CancelCampaign(campaign_id=campaign_id)) == "CANCELLED"
    shown = await ask(client, sender, GetCampaign(campaign_id=campaign_id), CampaignView)
    assert (shown.status, shown.name, shown.scheduled_for) == ("CANCELLED", "Renamed", None)
    copy = await tell(client, sender, DuplicateCampaign(campaign_id=uuid7(), original_id=campaign_id), CampaignView)
    assert (copy.status, copy.name, copy.body) == ("DRAFT", "Renamed (Copy)", CONTENT.body)
    deleted = await tell(client, sender, DeleteCampaign(campaign_id=campaign_id), Deleted)
    assert deleted.id == campaign_id
    with pytest.raises(Rejected) as no:
        await ask(client, sender, GetCampaign(campaign_id=campaign_id), CampaignView)
    assert no.value.code == "CAMPAIGN_NOT_FOUND"
    assert (await ask(client, sender, ListCampaigns(), CampaignPage)).total == 1


async def test_a_campaign_of_another_project_cannot_be_duplicated(stack: Stack, sender: UUID) -> None:
    original = await tell(stack.client, sender, draft(), CampaignView)
    with pytest.raises(Rejected) as no:
        await tell(stack.client, uuid4(), DuplicateCampaign(campaign_id=uuid7(), original_id=original.id), CampaignView)
    assert no.value.code == "CAMPAIGN_NOT_FOUND"


async def test_a_scheduled_campaign_is_sent_by_whichever_process_runs_then(
    stack: Stack, service: Runtime, sender: UUID
) -> None:
    created = await tell(stack.client, sender, draft(), CampaignView)
    soon = now() + timedelta(seconds=1)
    await tell(stack.client, sender, ScheduleCampaign(campaign_id=created.id, scheduled_for=soon), CampaignView)

    async def queued() -> bool:
        shown = await ask(stack.client, sender, GetCampaign(campaign_id=created.id), CampaignView)
        return shown.status == "QUEUED"

    await eventually(queued)
    kinds = [kind for kind, _ in await facts(service, sender)]
    assert kinds == ["campaign.created", "campaign.scheduled", "campaign.sending_started"]


async def test_a_schedule_that_is_hours_late_is_missed(stack: Stack, service: Runtime, sender: UUID) -> None:
    """As after two hours in which no process ran: the timer fires long after its time."""
    created = await tell(stack.client, sender, draft(), CampaignView)
    due = now() + timedelta(days=1)
    await tell(stack.client, sender, ScheduleCampaign(campaign_id=created.id, scheduled_for=due), CampaignView)
    past = now() - timedelta(hours=2)
    await service.pool.execute(
        "update campaign set scheduled_for = $3 where project = $1 and id = $2", sender, created.id, past
    )
    async with service.unit() as unit:
        late = CampaignDue(campaign_id=created.id, scheduled_for=past)
        await unit.schedule(str(created.id), past, late, Origin(project=sender))

    async def failed() -> CampaignView | None:
        shown = await ask(stack.client, sender, GetCampaign(campaign_id=created.id), CampaignView)
        return shown if shown.status == "FAILED" else None

    shown = await eventually(failed)
    assert shown.failure and shown.failure.code == "MISSED"
    assert "campaign.sending_started" not in [kind for kind, _ in await facts(service, sender)]


async def test_campaigns_are_found_by_a_part_of_their_name(stack: Stack, sender: UUID) -> None:
    for name in ("Spring sale", "Autumn news"):
        await tell(stack.client, sender, draft(name=name), CampaignView)
    found = await ask(stack.client, sender, ListCampaigns(search="SALE"), CampaignPage)
    assert ([campaign.name for campaign in found.data], found.total) == (["Spring sale"], 1)
