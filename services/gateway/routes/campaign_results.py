"""Campaigns: their live audience, their progress and their results."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response.base import ASGIResponse

from libs.kernel.field_errors import NO_NUL
from libs.kernel.rejection import Rejected
from libs.kernel.structs import shared_fields
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.messaging.bus import Unavailable
from libs.schemas.base import Instant, View
from libs.schemas.campaigns.audience import Audience
from libs.schemas.campaigns.campaigns import CampaignView, GetCampaign, GetCampaignContent
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
    RecipientStatus,
)
from libs.schemas.contacts.audiences import AudiencePreview, PreviewAudience
from libs.schemas.contacts.contacts import ContactPage, ListContacts
from libs.schemas.delivery.content import Content, Kind
from libs.schemas.delivery.emails import FindSuppressed, SendEmail, Suppressed
from libs.schemas.delivery.sending import GetSendingState, SendingState, WaitingFor
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.csv_writer import csv_rows
from services.gateway.http.downloads import CSV, download_headers
from services.gateway.http.errors import ApiError
from services.gateway.http.fields import Email, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.parameters import Cursor, Limit, PageNumber, PageSize
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses
from services.gateway.http.streaming import KEEP_ALIVE, StreamedResponse, event, event_stream
from services.gateway.routes.responses import Message

TAGS = ["Campaigns"]
EXPORT_PAGE = 1000
TEST = "[TEST] "
POLL_SECONDS = 1.0
MAX_WATCH_SECONDS = 600
"""After this the client reconnects by itself."""
FINAL = ("SENT", "FAILED", "CANCELLED")

OfVariant = Annotated[
    str | None,
    QueryParameter(
        name="variant", max_length=20, pattern=NO_NUL, description="Only recipients with this variant of the A/B test"
    ),
]
Status = Annotated[RecipientStatus | None, QueryParameter(description="Only recipients with this status or event")]


class Progress(CampaignProgress, frozen=True, kw_only=True):
    """`waiting_for` is why queued mails are not sent yet; RATE_LIMIT is normal. For SEND_RATE and SEND_WINDOW, the
    limits of the campaign, `waiting_until` is when the next mail will be sent. `detail` is the error code if SES
    rejects mails. `rate_limit` is how many mails per second the account may send now."""

    waiting_for: WaitingFor | None
    waiting_until: Instant | None
    detail: str | None
    rate_limit: float | None


class TestBody(Body, frozen=True, kw_only=True):
    """`variant` is one of the campaign's A/B test; the default is the first."""

    email: Email
    variant: str | None = None


class TestSent(View, frozen=True, kw_only=True):
    success: bool
    message: str
    email: UUID


@get("/campaigns/{campaign_id:str}/contacts", responses=query_responses(AudiencePreview), tags=TAGS)
async def list_campaign_contacts(
    campaign_id: FromPath[str], request: ApiRequest, page: PageNumber = 1, page_size: PageSize = 20
) -> RawResponse:
    """List a campaign's live audience

    The contacts that would get it if it was sent now. `leftOut` is the reason why a contact would not.
    """
    view = await request.query_as(GetCampaign(campaign_id=_id(campaign_id)), CampaignView)
    if view.audience_type is None:
        raise ApiError(409, "CAMPAIGN_HAS_NO_AUDIENCE", "The campaign has no audience yet: set audienceType first")
    audience = Audience(**shared_fields(view, Audience))
    query = PreviewAudience(
        audience=audience, subscribed_only=view.kind != "TRANSACTIONAL", page=page, page_size=page_size
    )
    preview = await request.query_as(query, AudiencePreview)
    return RawResponse(encode(await _with_suppressed(request, preview, view.kind)))


async def _with_suppressed(request: ApiRequest, preview: AudiencePreview, kind: Kind) -> AudiencePreview:
    """Return the preview with the contacts marked whose addresses are suppressed, which only delivery knows."""
    readers = {contact.id: contact.email for contact in preview.data}
    answer = await request.query(FindSuppressed(readers=readers, kind=kind))
    reasons = {each.contact_id: each.reason for each in msgspec.json.decode(answer, type=list[Suppressed])}
    data = [
        msgspec.structs.replace(contact, left_out=contact.left_out or reasons.get(contact.id))
        for contact in preview.data
    ]
    return msgspec.structs.replace(preview, data=data)


@post("/campaigns/{campaign_id:str}/test", status_code=200, responses=command_responses(TestSent, 200), tags=TAGS)
async def test_campaign(campaign_id: FromPath[str], data: JSONBody[TestBody], request: ApiRequest) -> RawResponse:
    """Send a test

    Sends the campaign to any address, in any status, rendered with the data of a contact of the project. Tests are not
    counted in statistics.
    """
    answer = await request.query(GetCampaignContent(campaign_id=_id(campaign_id), variant=data.variant))
    content = msgspec.json.decode(answer, type=Content)
    sample = (await request.query_as(ListContacts(limit=1), ContactPage)).data
    command = SendEmail(
        email_id=uuid7(),
        contact_id=uuid7(),
        recipient=data.email.strip().lower(),
        subscribed=True,
        content=msgspec.structs.replace(content, subject=TEST + content.subject),
        data=sample[0].data if sample else {},
    )
    await request.execute(command)
    sent = TestSent(success=True, message=f"Test email sent to {command.recipient}", email=command.email_id)
    return RawResponse(encode(sent))


@get("/campaigns/{campaign_id:str}/stats", responses=query_responses(CampaignStats), tags=TAGS)
async def get_campaign_stats(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a campaign's statistics

    Rates are percentages of the mails that were sent.
    """
    return RawResponse(await request.query(GetCampaignStats(campaign_id=_id(campaign_id))))


@get("/campaigns/{campaign_id:str}/progress", responses=query_responses(Progress), tags=TAGS)
async def watch_campaign(campaign_id: FromPath[str], request: ApiRequest) -> ASGIResponse:
    """Watch a campaign's progress

    As server-sent events, one for each change, until the campaign has ended. With `Accept: application/json`, the
    current progress.
    """
    parsed_id = _id(campaign_id)
    if b"application/json" in request.context.headers.get(b"accept", b""):
        return RawResponse(encode(await _progress(request, parsed_id)))
    return event_stream(_events(request, parsed_id))


async def _events(request: ApiRequest, campaign_id: UUID) -> AsyncIterator[bytes]:
    last = b""
    for second in range(MAX_WATCH_SECONDS):
        try:
            progress = await _progress(request, campaign_id)
        except (Rejected, Unavailable):
            if second == 0:
                raise
            return
        current = encode(progress)
        yield KEEP_ALIVE if current == last else event("progress", current)
        if progress.status in FINAL:
            return
        last = current
        await asyncio.sleep(POLL_SECONDS)


async def _progress(request: ApiRequest, campaign_id: UUID) -> Progress:
    run = await request.query_as(GetCampaignProgress(campaign_id=campaign_id), CampaignProgress)
    state = await _sending_state(request, campaign_id, run.queued) if run.queued else None
    if state and state.eta_seconds is not None:
        run = msgspec.structs.replace(run, eta_seconds=state.eta_seconds)
    return Progress(
        **msgspec.structs.asdict(run),
        waiting_for=state.waiting_for if state else None,
        waiting_until=state.until if state else None,
        detail=state.detail if state else None,
        rate_limit=state.rate if state else None,
    )


async def _sending_state(request: ApiRequest, campaign_id: UUID, queued: int) -> SendingState | None:
    """Return the state, or None if delivery is unavailable: the progress is useful without it."""
    try:
        answer = await request.query(GetSendingState(campaign_id=campaign_id, queued=queued))
    except Unavailable:
        return None
    return msgspec.json.decode(answer, type=SendingState)


@get("/campaigns/{campaign_id:str}/recipients", responses=query_responses(CampaignRecipients), tags=TAGS)
async def list_campaign_recipients(
    campaign_id: FromPath[str],
    request: ApiRequest,
    status: Status = None,
    variant: OfVariant = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> RawResponse:
    """List a campaign's recipients

    The recipients and what happened to their mails; with an A/B test also their variants. `total` counts the whole
    campaign and is given on the first page only.
    """
    query = ListCampaignRecipients(
        campaign_id=_id(campaign_id), status=status, variant=variant, limit=limit, cursor=cursor
    )
    return RawResponse(await request.query(query))


@get(
    "/campaigns/{campaign_id:str}/recipients/export",
    responses=query_responses(Message),
    tags=TAGS,
)
async def export_campaign_recipients(
    campaign_id: FromPath[str], request: ApiRequest, status: Status = None, variant: OfVariant = None
) -> StreamedResponse:
    """Export a campaign's recipients

    All recipients as CSV in UTF-8. The file is streamed.
    """
    first_page = ListCampaignRecipients(campaign_id=_id(campaign_id), status=status, variant=variant, limit=EXPORT_PAGE)
    return StreamedResponse(_rows(request, first_page), CSV, download_headers("recipients.csv"))


async def _rows(request: ApiRequest, first_page: ListCampaignRecipients) -> AsyncIterator[bytes]:
    """Yield the file page by page. The header comes with the first page, so that a rejected query is still an error."""
    header = [[field.encode_name for field in msgspec.structs.fields(CampaignRecipient)]]
    cursor: str | None = None
    while True:
        query = msgspec.structs.replace(first_page, cursor=cursor)
        page = await request.query_as(query, CampaignRecipients)
        yield csv_rows(header + [list(msgspec.to_builtins(each).values()) for each in page.data])
        header, cursor = [], page.cursor
        if cursor is None:
            return


@get("/campaigns/{campaign_id:str}/link-clicks", responses=query_responses(list[LinkClicks]), tags=TAGS)
async def list_link_clicks(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """List a campaign's link clicks

    For each link the number of clicks and of contacts who clicked, most clicked first.
    """
    return RawResponse(await request.query(ListLinkClicks(campaign_id=_id(campaign_id))))


@get("/campaigns/{campaign_id:str}/timeline", responses=query_responses(list[CampaignHour]), tags=TAGS)
async def get_campaign_timeline(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a campaign's timeline

    The events by hour, without hours in which nothing happened. The hours add up to the statistics.
    """
    return RawResponse(await request.query(GetCampaignTimeline(campaign_id=_id(campaign_id))))


def _id(campaign_id: str) -> UUID:
    return parse_id(campaign_id, "Campaign")
