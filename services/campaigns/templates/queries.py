"""Queries for templates."""

from collections.abc import Mapping
from uuid import UUID

from libs.kernel.paging import numbered_page
from libs.kernel.rejection import Rejected
from libs.runtime.clock import now
from libs.runtime.eventstore.store import Connection
from libs.runtime.messaging.bus import QueryHandler
from libs.schemas.base import Query
from libs.schemas.campaigns.templates import (
    GetTemplate,
    GetTemplateUsage,
    ListTemplates,
    ListTemplateVersions,
    TemplateCampaign,
    TemplatePage,
    TemplateVersion,
    TemplateView,
)
from services.campaigns.campaigns.read_models import campaign
from services.campaigns.templates import versions
from services.campaigns.templates.read_models import template
from services.campaigns.templates.template import Template
from services.campaigns.templates.views import template_view, version_view


async def get_template(conn: Connection, project: UUID, query: GetTemplate) -> TemplateView:
    return template_view(await _template(conn, project, query.template_id), now())


async def list_templates(conn: Connection, project: UUID, query: ListTemplates) -> TemplatePage:
    page = numbered_page(query.page, query.page_size)
    search = query.search.lower() if query.search else None
    found = await template.newest(conn, project, query.kind, search, page.size, page.offset)
    total = await template.count(conn, project, query.kind, search)
    return TemplatePage(
        data=[template_view(state, now()) for state in found],
        total=total,
        page=page.number,
        page_size=page.size,
        total_pages=page.page_count(total),
    )


async def get_template_usage(conn: Connection, project: UUID, query: GetTemplateUsage) -> list[TemplateCampaign]:
    await _template(conn, project, query.template_id)
    return await campaign.using(conn, project, query.template_id)


async def list_template_versions(conn: Connection, project: UUID, query: ListTemplateVersions) -> list[TemplateVersion]:
    await _template(conn, project, query.template_id)
    return [version_view(past) for past in await versions.history(conn, project, query.template_id)]


async def _template(conn: Connection, project: UUID, template_id: UUID) -> Template:
    found = await template.load(conn, [(project, template_id)])
    if not found:
        raise Rejected("TEMPLATE_NOT_FOUND", "Template not found")
    return found[project, template_id]


QUERIES: Mapping[type[Query], QueryHandler] = {
    GetTemplate: get_template,
    ListTemplates: list_templates,
    GetTemplateUsage: get_template_usage,
    ListTemplateVersions: list_template_versions,
}
