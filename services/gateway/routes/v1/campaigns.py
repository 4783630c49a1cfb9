"""The campaigns of the older API, under `/v1/campaigns`: a subject, a body, and a list of recipients.

The recipients become a static segment, so that a contact that unsubscribes in the meantime gets no mail.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta

from libs.kernel.field_errors import EMAIL
from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.codec import encode
from libs.schemas.base import Instant, View
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import (
    CampaignView,
    CreateCampaign,
    DeleteCampaign,
    DuplicateCampaign,
    GetCampaign,
    ScheduleCampaign,
    SendCampaign,
    UpdateCampaign,
)
from libs.schemas.contacts.contacts import ContactView, GetContact
from libs.schemas.delivery.content import Content
from libs.schemas.delivery.domains import DomainView, ListDomains
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.fields import MAX_MAIL_BYTES, Email, Line, Text, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses
from services.gateway.routes.recipient_list import create_list

TAGS = ["Older API"]
EVERYONE = ["all"]
ADDRESS = re.compile(EMAIL)
MARKUP = re.compile(r"<[a-zA-Z!/]")
MAX_RECIPIENTS = 5_000
MAX_LOOKUPS_AT_ONCE = 16
MAX_NAME = 100
DELIVERED = ("QUEUED", "SENDING", "PAUSED", "SENT")

Style = Literal["PLUNK", "HTML"]


class CampaignBodyV1(Body, frozen=True, kw_only=True):
    """`recipients` are ids or addresses of contacts, or only `"all"`. A PLUNK body without markup is Markdown."""

    subject: Line
    body: Text
    recipients: Annotated[list[str], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    style: Style = "PLUNK"
    from_: Email | None = msgspec.field(default=None, name="from")


class NamedCampaignBodyV1(CampaignBodyV1, frozen=True, kw_only=True):
    id: str


class NamedV1(Body, frozen=True, kw_only=True):
    id: str


class SendBodyV1(Body, frozen=True, kw_only=True):
    id: str
    live: bool = False
    delay: Annotated[int, Meta(ge=0, le=525_600)] = 0


class CampaignV1(View, frozen=True, kw_only=True):
    """A campaign is DELIVERED as soon as its sending has started."""

    id: UUID
    subject: str
    body: str
    status: Literal["DRAFT", "DELIVERED"]
    delivered: Instant | None
    style: Style
    project_id: UUID
    created_at: Instant
    updated_at: Instant


class Nothing(View, frozen=True, kw_only=True):
    pass


@post(
    "/v1/campaigns",
    status_code=200,
    responses=command_responses(CampaignV1, 200),
    tags=TAGS,
    request_max_body_size=MAX_MAIL_BYTES,
)
async def create_campaign_v1(data: JSONBody[CampaignBodyV1], request: ApiRequest) -> RawResponse:
    """Create a campaign"""
    markdown = _markdown(data)
    command = CreateCampaign(
        campaign_id=uuid7(),
        name=data.subject[:MAX_NAME],
        content=Content(
            subject=data.subject,
            body="" if markdown else data.body,
            from_email=data.from_ or await _sender(request),
        ),
        markdown=markdown,
        audience=await _audience(request, data.recipients),
    )
    return _response(request, await request.execute(command))


@put("/v1/campaigns", responses=command_responses(CampaignV1, 200), tags=TAGS, request_max_body_size=MAX_MAIL_BYTES)
async def update_campaign_v1(data: JSONBody[NamedCampaignBodyV1], request: ApiRequest) -> RawResponse:
    """Update a campaign"""
    audience = await _audience(request, data.recipients)
    markdown = _markdown(data)
    command = UpdateCampaign(
        campaign_id=_id(data.id),
        name=data.subject[:MAX_NAME],
        subject=data.subject,
        body=UNSET if markdown else data.body,
        markdown=markdown or UNSET,
        from_email=data.from_ or UNSET,
        audience_type=audience.audience_type,
        segment_id=None,
        list_id=audience.list_id,
        overwrite=True,
    )
    return _response(request, await request.execute(command))


@delete("/v1/campaigns", status_code=200, responses=command_responses(CampaignV1, 200), tags=TAGS)
async def delete_campaign_v1(data: JSONBody[NamedV1], request: ApiRequest) -> RawResponse:
    """Delete a campaign

    Returns the campaign as it was before.
    """
    campaign = await request.query(GetCampaign(campaign_id=_id(data.id)))
    await request.execute(DeleteCampaign(campaign_id=_id(data.id), asked_at=now()))
    return _response(request, campaign)


@post("/v1/campaigns/send", status_code=200, responses=command_responses(Nothing, 200), tags=TAGS)
async def send_campaign_v1(data: JSONBody[SendBodyV1], request: ApiRequest) -> RawResponse:
    """Send a campaign

    Sends it to its recipients after `delay` minutes. `live` must be true; for a test use `POST /campaigns/{id}/test`.
    """
    if not data.live:
        raise invalid_field("live", "Must be true. Use POST /campaigns/{id}/test to send a test", "invalid")
    campaign_id, asked_at = _id(data.id), now()
    if data.delay:
        due = asked_at + timedelta(minutes=data.delay)
        await request.execute(ScheduleCampaign(campaign_id=campaign_id, scheduled_for=due, asked_at=asked_at))
    else:
        await request.execute(SendCampaign(campaign_id=campaign_id, asked_at=asked_at))
    return RawResponse(b"{}")


@post("/v1/campaigns/duplicate", status_code=200, responses=command_responses(CampaignV1, 200), tags=TAGS)
async def duplicate_campaign_v1(data: JSONBody[NamedV1], request: ApiRequest) -> RawResponse:
    """Duplicate a campaign"""
    return _response(request, await request.execute(DuplicateCampaign(campaign_id=uuid7(), original_id=_id(data.id))))


@get("/v1/campaigns/{campaign_id:str}", responses=query_responses(CampaignV1), tags=TAGS)
async def get_campaign_v1(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a campaign"""
    return _response(request, await request.query(GetCampaign(campaign_id=_id(campaign_id))))


def _id(campaign_id: str) -> UUID:
    return parse_id(campaign_id, "Campaign")


def _markdown(data: CampaignBodyV1) -> str | None:
    return data.body if data.style == "PLUNK" and not MARKUP.search(data.body) else None


async def _sender(request: ApiRequest) -> str:
    """Return an address of the project's first verified domain, or nothing: then the campaign cannot be sent."""
    domains = await request.query_as(ListDomains(), list[DomainView])
    return next((f"hello@{domain.domain}" for domain in domains if domain.verified), "")


async def _audience(request: ApiRequest, recipients: list[str]) -> Audience:
    if recipients == EVERYONE:
        return Audience(audience_type="ALL")
    emails = await _addresses(request, recipients)
    return Audience(audience_type="SEGMENT", list_id=await create_list(request, _one_page(emails), create_missing=True))


async def _one_page(emails: list[str]) -> AsyncIterator[list[str]]:
    yield emails


async def _addresses(request: ApiRequest, recipients: Sequence[str]) -> list[str]:
    """Return the addresses of the contacts given by id or address, each once. Raises ApiError for anything else."""
    invalid = next((n for n, each in enumerate(recipients) if not (_is_id(each) or ADDRESS.fullmatch(each))), None)
    if invalid is not None:
        raise invalid_field(f"recipients.{invalid}", "Must be the id or the address of a contact", "invalid_string")
    slots = asyncio.Semaphore(MAX_LOOKUPS_AT_ONCE)

    async def address(each: str) -> str:
        if not _is_id(each):
            return each.strip().lower()
        async with slots:
            found = await request.query(GetContact(contact_id=UUID(each)))
        return msgspec.json.decode(found, type=ContactView).email

    return list(dict.fromkeys(await asyncio.gather(*map(address, recipients))))


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _response(request: ApiRequest, campaign: bytes) -> RawResponse:
    view = msgspec.json.decode(campaign, type=CampaignView)
    shown = CampaignV1(
        id=view.id,
        subject=view.subject or "",
        body=view.markdown or view.body or "",
        status="DELIVERED" if view.status in DELIVERED else "DRAFT",
        delivered=view.sent_at,
        style="PLUNK" if view.markdown else "HTML",
        project_id=request.project,
        created_at=view.created_at,
        updated_at=view.updated_at,
    )
    return RawResponse(encode(shown))
