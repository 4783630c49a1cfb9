"""Custom fields: the keys of contacts' data."""

import asyncio
from typing import Annotated

import msgspec
from litestar import delete, get
from litestar.params import FromPath, QueryParameter

from libs.runtime.clock import uuid7
from libs.schemas.contacts.fields import (
    DeleteField,
    FieldDeletion,
    FieldInCampaigns,
    FieldInSegments,
    FieldList,
    FieldUsage,
    FieldValues,
    FindFieldInCampaigns,
    FindFieldInSegments,
    FindFieldInWorkflows,
    ListFields,
    ListFieldValues,
)
from libs.schemas.contacts.segments import NamedReference
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError, invalid_field
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Custom fields"]
CUSTOM = "data."
STANDARD = ("email", "subscribed", "createdAt", "updatedAt")
MAX_KEY_LENGTH = 255

ValueLimit = Annotated[int, QueryParameter(ge=1, le=200, description="Maximum number of values")]


@get("/contacts/fields", responses=query_responses(FieldList), tags=TAGS)
async def list_fields(request: ApiRequest) -> RawResponse:
    """List fields

    The standard fields and every key of the contacts' data, with the type of its values (`string` if they are mixed)
    and the percentage of contacts that have it.
    """
    return RawResponse(await request.query(ListFields()))


@get("/contacts/fields/{field:str}/values", responses=query_responses(FieldValues), tags=TAGS)
async def list_field_values(field: FromPath[str], request: ApiRequest, limit: ValueLimit = 100) -> RawResponse:
    """List a field's values

    Each value once, in text order. For a field with more than 1,000 different values, those of the newest contacts.
    """
    _key_of(field)
    return RawResponse(await request.query(ListFieldValues(field=field, limit=limit)))


@get("/contacts/fields/{field:str}/usage", responses=query_responses(FieldUsage), tags=TAGS)
async def get_field_usage(field: FromPath[str], request: ApiRequest) -> RawResponse:
    """Find what uses a field

    Segments, campaigns and workflows with a condition on the field, and campaigns and templates whose text refers to
    it.
    """
    return RawResponse(msgspec.json.encode(await _usage(request, _custom_key_of(field))))


@delete("/contacts/fields/{field:str}", status_code=200, responses=command_responses(FieldDeletion, 200), tags=TAGS)
async def delete_field(field: FromPath[str], request: ApiRequest) -> RawResponse:
    """Delete a custom field

    Removes it from all contacts of the project in the background. `deletedFrom` is the number of contacts that have it
    now. `GET /contacts/bulk/{jobId}` shows the progress, and `POST /contacts/bulk/{jobId}/cancel` stops it. Rejected
    with 409 while something uses the field.
    """
    key = _custom_key_of(field)
    usage = await _usage(request, key)
    if not usage.can_delete:
        raise ApiError(409, "FIELD_IN_USE", _in_use(usage), details=msgspec.to_builtins(usage))
    return RawResponse(await request.execute(DeleteField(job_id=uuid7(), field=key)))


async def _usage(request: ApiRequest, key: str) -> FieldUsage:
    """Return what uses the field, according to all services that can refer to it."""
    in_segments, in_campaigns, in_workflows = await asyncio.gather(
        request.query(FindFieldInSegments(field=key)),
        request.query(FindFieldInCampaigns(field=key)),
        request.query(FindFieldInWorkflows(field=key)),
    )
    segments = msgspec.json.decode(in_segments, type=FieldInSegments)
    campaigns = msgspec.json.decode(in_campaigns, type=FieldInCampaigns)
    workflows = msgspec.json.decode(in_workflows, type=list[NamedReference])
    return FieldUsage(
        used_in_segments=segments.segments,
        used_in_campaigns=campaigns.campaigns,
        used_in_workflows=workflows,
        used_in_templates=campaigns.templates,
        contact_count=segments.contact_count,
        can_delete=not (segments.segments or campaigns.campaigns or workflows or campaigns.templates),
    )


def _in_use(usage: FieldUsage) -> str:
    users = {
        "segments": usage.used_in_segments,
        "campaigns": usage.used_in_campaigns,
        "workflows": usage.used_in_workflows,
        "templates": usage.used_in_templates,
    }
    named = ", ".join(f"{len(references)} {kind}" for kind, references in users.items() if references)
    return f"Cannot delete field: used in {named}"


def _custom_key_of(field: str) -> str:
    if field in STANDARD:
        raise invalid_field("field", "Must be a custom field (data.*)", "custom")
    return _key_of(field)


def _key_of(field: str) -> str:
    """Return the key of a field, given with or without its prefix. Raises ApiError if it is not a valid key."""
    key = field.removeprefix(CUSTOM)
    if not key or len(key) > MAX_KEY_LENGTH or "\0" in key:
        raise invalid_field("field", f"Must be 1 to {MAX_KEY_LENGTH} characters without NUL", "invalid_string")
    return key
