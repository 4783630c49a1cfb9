"""Templates over the bus: changing, copying, restoring, deleting, and who uses them."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import (
    announce,
    eventually,
    running,
    tell,
)
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.base import Deleted
from libs.schemas.campaigns.campaigns import CampaignView, CreateCampaign
from libs.schemas.campaigns.templates import (
    CreateTemplate,
    DeleteTemplate,
    DuplicateTemplate,
    GetTemplate,
    GetTemplateUsage,
    ListTemplates,
    ListTemplateVersions,
    RestoreTemplate,
    TemplateCampaign,
    TemplatePage,
    TemplateVersion,
    TemplateView,
    UpdateTemplate,
)
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.domains import DomainVerified
from services.campaigns.app import build
from tests.conftest import Stack

CONTENT = Content(subject="Hi {{ name }}", body="<p>{{ order.total }}</p>", from_email="us@example.com")


@pytest.fixture(scope="module")
async def service(stack: Stack) -> AsyncIterator[Runtime]:
    settings = stack.settings("campaigns")
    async with running(build(settings), settings) as runtime:
        yield runtime


@pytest.fixture
async def template(stack: Stack, service: Runtime, project: UUID) -> TemplateView:
    """A template of a project that may send from example.com."""
    await announce(stack.client, project, DomainVerified(domain_id=uuid4(), domain="example.com"))

    async def known() -> bool:
        return bool(await service.pool.fetchval("select true from sender_domain where project = $1", project))

    await eventually(known)
    create = CreateTemplate(template_id=uuid7(), name="Receipt", content=CONTENT)
    return await tell(stack.client, project, create, TemplateView)


async def test_a_template_lists_its_variables(template: TemplateView) -> None:
    assert template.variables == ["name", "order.total"]


async def test_an_update_is_shown_and_keeps_the_old_content_as_a_version(
    stack: Stack, project: UUID, template: TemplateView
) -> None:
    update = UpdateTemplate(template_id=template.id, subject="Thanks, {{ name }}")
    updated = await tell(stack.client, project, update, TemplateView)
    assert (updated.subject, updated.body, updated.version) == ("Thanks, {{ name }}", CONTENT.body, 2)
    assert await ask(stack.client, project, GetTemplate(template_id=template.id), TemplateView) == updated
    restore = RestoreTemplate(template_id=template.id, version=1)
    restored = await tell(stack.client, project, restore, TemplateView)
    assert (restored.subject, restored.version) == (CONTENT.subject, 3)
    query = ListTemplateVersions(template_id=template.id)
    versions = await ask(stack.client, project, query, list[TemplateVersion])
    assert [(v.version, v.subject, v.restored) for v in versions] == [
        (3, CONTENT.subject, 1),
        (2, "Thanks, {{ name }}", None),
        (1, CONTENT.subject, None),
    ]
    with pytest.raises(Rejected) as no:
        await tell(stack.client, project, RestoreTemplate(template_id=template.id, version=7), TemplateView)
    assert no.value.code == "TEMPLATE_VERSION_NOT_FOUND"


async def test_a_duplicate_is_independent_of_its_original(stack: Stack, project: UUID, template: TemplateView) -> None:
    copy = await tell(
        stack.client, project, DuplicateTemplate(template_id=uuid7(), original_id=template.id), TemplateView
    )
    assert (copy.name, copy.subject, copy.version) == ("Receipt (Copy)", CONTENT.subject, 1)
    await tell(stack.client, project, DeleteTemplate(template_id=template.id), Deleted)
    assert await ask(stack.client, project, GetTemplate(template_id=copy.id), TemplateView) == copy


async def test_a_template_that_a_campaign_uses_cannot_be_deleted(
    stack: Stack, project: UUID, template: TemplateView
) -> None:
    campaign = CreateCampaign(
        campaign_id=uuid7(),
        name="News",
        content=CONTENT,
        audience=Audience(audience_type="ALL"),
        template_id=template.id,
    )
    await tell(stack.client, project, campaign, CampaignView)
    used = await ask(stack.client, project, GetTemplateUsage(template_id=template.id), list[TemplateCampaign])
    assert [(use.id, use.name, use.status) for use in used] == [(campaign.campaign_id, "News", "DRAFT")]
    with pytest.raises(Rejected) as no:
        await tell(stack.client, project, DeleteTemplate(template_id=template.id), Deleted)
    assert no.value.code == "TEMPLATE_IN_USE"


async def test_a_deleted_template_is_gone(stack: Stack, project: UUID, template: TemplateView) -> None:
    deleted = await tell(stack.client, project, DeleteTemplate(template_id=template.id), Deleted)
    assert deleted.id == template.id
    for query in (GetTemplate, GetTemplateUsage, ListTemplateVersions):
        with pytest.raises(Rejected) as no:
            await ask(stack.client, project, query(template_id=template.id), TemplateView)
        assert no.value.code == "TEMPLATE_NOT_FOUND"


async def test_templates_are_filtered_by_type_and_text(stack: Stack, project: UUID, template: TemplateView) -> None:
    async def found(query: ListTemplates) -> list[UUID]:
        return [view.id for view in (await ask(stack.client, project, query, TemplatePage)).data]

    assert await found(ListTemplates(search="receipt", kind="MARKETING")) == [template.id]
    assert await found(ListTemplates(search="HI {{")) == [template.id]
    assert await found(ListTemplates(search="invoice")) == []
    assert await found(ListTemplates(kind="HEADLESS")) == []


async def test_another_project_cannot_change_a_template(stack: Stack, template: TemplateView) -> None:
    stranger = uuid4()
    for command in (
        UpdateTemplate(template_id=template.id, name="x"),
        RestoreTemplate(template_id=template.id, version=1),
        DuplicateTemplate(template_id=uuid7(), original_id=template.id),
        DeleteTemplate(template_id=template.id),
    ):
        with pytest.raises(Rejected) as no:
            await tell(stack.client, stranger, command, TemplateView)
        assert no.value.code == "TEMPLATE_NOT_FOUND"
