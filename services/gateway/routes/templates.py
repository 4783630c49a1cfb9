"""Templates: reusable mails with variables."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.params import FromPath, JSONBody, QueryParameter

from libs.kernel.field_errors import NO_NUL
from libs.kernel.structs import shared_fields
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import Data, View
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
from libs.schemas.contacts.contacts import (
    ContactPage,
    ContactView,
    GetContact,
    ListContacts,
)
from libs.schemas.delivery.content import (
    Content,
    Kind,
    MailPreview,
    PreviewMail,
)
from libs.schemas.workflows import ListTemplateSteps, TemplateStep
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError
from services.gateway.http.fields import MAX_MAIL_BYTES, Email, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.parameters import PageNumber, PageSize
from services.gateway.http.partial_body import partial
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses
from services.gateway.routes.content import ContentBody

TAGS = ["Templates"]
SAMPLE = "reader@example.com"


@partial
class TemplateChanges(ContentBody, frozen=True, kw_only=True):
    """Only the given fields are changed."""


class TemplatePreviewBody(Body, frozen=True, kw_only=True):
    """The recipient of the preview: a contact, or an address and data. Without either, a contact of the project is used
    as a sample. `data` overrides the contact's data."""

    contact_id: UUID | None = None
    email: Email | None = None
    data: Data | None = None


class TemplateUsage(View, frozen=True, kw_only=True):
    """What uses a template: campaigns that were created from it, and workflow steps that send it."""

    campaigns: list[TemplateCampaign]
    workflow_steps: list[TemplateStep]


@get("/templates", responses=query_responses(TemplatePage), tags=TAGS)
async def list_templates(
    request: ApiRequest,
    page: PageNumber = 1,
    page_size: PageSize = 20,
    search: Annotated[
        str | None, QueryParameter(max_length=255, pattern=NO_NUL, description="Part of the name or the subject")
    ] = None,
    kind: Annotated[Kind | None, QueryParameter(name="type", description="Only templates of this type")] = None,
) -> RawResponse:
    """List templates

    Newest first.
    """
    return RawResponse(await request.query(ListTemplates(page=page, page_size=page_size, search=search, kind=kind)))


@post("/templates", responses=command_responses(TemplateView, 201), tags=TAGS, request_max_body_size=MAX_MAIL_BYTES)
async def create_template(data: JSONBody[ContentBody], request: ApiRequest) -> RawResponse:
    """Create a template

    A syntax error in the subject or body is rejected with its line and column. `variables` in the response are the
    variables that the template uses.
    """
    command = CreateTemplate(template_id=uuid7(), name=data.name, content=data.content(), description=data.description)
    return RawResponse(await request.execute(command), 201)


@get("/templates/{template_id:str}", responses=query_responses(TemplateView), tags=TAGS)
async def get_template(template_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a template"""
    return RawResponse(await request.query(GetTemplate(template_id=parse_id(template_id, "Template"))))


@patch(
    "/templates/{template_id:str}",
    responses=command_responses(TemplateView, 200),
    tags=TAGS,
    request_max_body_size=MAX_MAIL_BYTES,
)
async def update_template(
    template_id: FromPath[str], data: JSONBody[TemplateChanges], request: ApiRequest
) -> RawResponse:
    """Update a template

    Changes the given fields. The previous content is kept as a version.
    """
    fields = shared_fields(data, UpdateTemplate)
    command = UpdateTemplate(template_id=parse_id(template_id, "Template"), **fields)
    return RawResponse(await request.execute(command))


@delete("/templates/{template_id:str}", status_code=204, responses=command_responses(None, 204), tags=TAGS)
async def delete_template(template_id: FromPath[str], request: ApiRequest) -> None:
    """Delete a template

    Rejected while a workflow step sends it, or an unfinished campaign was created from it.
    """
    parsed_id = parse_id(template_id, "Template")
    steps = await request.query_as(ListTemplateSteps(template_id=parsed_id), list[TemplateStep])
    if steps:
        raise ApiError(
            409,
            "TEMPLATE_IN_USE",
            f"Cannot delete the template: it is used in {len(steps)} workflow step(s)",
            details={"workflowSteps": [str(step.id) for step in steps]},
        )
    await request.execute(DeleteTemplate(template_id=parsed_id))


@post("/templates/{template_id:str}/duplicate", responses=command_responses(TemplateView, 201), tags=TAGS)
async def duplicate_template(template_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Duplicate a template"""
    command = DuplicateTemplate(template_id=uuid7(), original_id=parse_id(template_id, "Template"))
    return RawResponse(await request.execute(command), 201)


@get("/templates/{template_id:str}/usage", responses=query_responses(TemplateUsage), tags=TAGS)
async def get_template_usage(template_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Find what uses a template

    The campaigns and the workflow steps that refer to it.
    """
    parsed_id = parse_id(template_id, "Template")
    campaigns = await request.query(GetTemplateUsage(template_id=parsed_id))
    steps = await request.query(ListTemplateSteps(template_id=parsed_id))
    usage = {"campaigns": msgspec.Raw(campaigns), "workflowSteps": msgspec.Raw(steps)}
    return RawResponse(encode(usage))


@post("/templates/{template_id:str}/preview", status_code=200, responses=command_responses(MailPreview, 200), tags=TAGS)
async def preview_template(
    template_id: FromPath[str], request: ApiRequest, data: JSONBody[TemplatePreviewBody | None] = None
) -> RawResponse:
    """Preview a template

    Rendered as it would be sent, without sending it. `warnings` lists unknown variables, a missing unsubscribe link,
    and a mail so large that Gmail clips it.
    """
    template = await request.query_as(GetTemplate(template_id=parse_id(template_id, "Template")), TemplateView)
    body = data or TemplatePreviewBody()
    sample = await _sample(request, body)
    query = PreviewMail(
        content=Content(**shared_fields(template, Content)),
        recipient=body.email or (sample.email if sample else SAMPLE),
        contact_id=sample.id if sample else None,
        contact_data=sample.data if sample else {},
        data=body.data or {},
    )
    return RawResponse(await request.query(query))


async def _sample(request: ApiRequest, body: TemplatePreviewBody) -> ContactView | None:
    if body.contact_id:
        return await request.query_as(GetContact(contact_id=body.contact_id), ContactView)
    if body.email:
        return None
    newest = await request.query_as(ListContacts(limit=1), ContactPage)
    return newest.data[0] if newest.data else None


@get("/templates/{template_id:str}/versions", responses=query_responses(list[TemplateVersion]), tags=TAGS)
async def list_template_versions(template_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """List a template's versions

    All versions of its content, newest first.
    """
    return RawResponse(await request.query(ListTemplateVersions(template_id=parse_id(template_id, "Template"))))


@post(
    "/templates/{template_id:str}/versions/{version:int}/restore",
    status_code=200,
    responses=command_responses(TemplateView, 200),
    tags=TAGS,
)
async def restore_template(template_id: FromPath[str], version: FromPath[int], request: ApiRequest) -> RawResponse:
    """Restore a template's version

    The template gets the content of that version. The current content is kept as a version.
    """
    command = RestoreTemplate(template_id=parse_id(template_id, "Template"), version=min(version, 2**31 - 1))
    return RawResponse(await request.execute(command))
