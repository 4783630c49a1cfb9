"""Campaigns: whom they would reach, how far they are, and what came of them."""

import asyncio
import csv
from collections.abc import AsyncIterator
from io import StringIO
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
from services.gateway.http.errors import ApiError
from services.gateway.http.fields import (
    Cursor,
    Email,
    Limit,
    PageNumber,
    PageSize,
    parse_id,
)
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import (
    RawResponse,
    Streamed,
    command_responses,
    query_responses,
)
from services.gateway.routes.responses import Message

TAGS = ["Campaigns"]
EXPORT_PAGE = 1000
TEST = "[TEST] "
LOOK_EVERY = 1.0
LONGEST_WATCH = 600
"""Seconds, after which a client connects again: it does so by itself."""
FINAL = ("SENT", "FAILED", "CANCELLED")

OfVariant = Annotated[
    str | None,
    QueryParameter(
        name="variant", max_length=20, pattern=NO_NUL, description="Only who gets this variant of the A/B test"
    ),
]
Status = Annotated[
    RecipientStatus | None, QueryParameter(description="Only recipients with this state, or to whom this happened")
]


class Progress(CampaignProgress, frozen=True, kw_only=True):
    """`waiting_for` is why queued mails are not sent yet: RATE_LIMIT is how it should be. Where it is SEND_RATE or
    SEND_WINDOW, the campaign's own, `waiting_until` is when the next mail's turn is. `detail` is SES's code where SES
    refuses, `rate_limit` what the account may send in a second now."""

    waiting_for: WaitingFor | None
    waiting_until: Instant | None
    detail: str | None
    rate_limit: float | None


class TestBody(Body, frozen=True, kw_only=True):
    """`variant` is one of the campaign's A/B test; the first, if none is given."""

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

    Who would get it if it was sent now. `leftOut` is the reason for which a contact would not.
    """
    view = msgspec.json.decode(await request.query(GetCampaign(campaign_id=_id(campaign_id))), type=CampaignView)
    if view.audience_type is None:
        raise ApiError(409, "CAMPAIGN_HAS_NO_AUDIENCE", "The campaign has no audience yet")
    audience = Audience(**shared_fields(view, Audience))
    query = PreviewAudience(
        audience=audience, subscribed_only=view.kind != "TRANSACTIONAL", page=page, page_size=page_size
    )
    preview = msgspec.json.decode(await request.query(query), type=AudiencePreview)
    return RawResponse(encode(await _with_suppressed(request, preview, view.kind)))


async def _with_suppressed(request: ApiRequest, preview: AudiencePreview, kind: Kind) -> AudiencePreview:
    """Delivery knows whose mailboxes said no, and which addresses are suppressed."""
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

    To any address, from any status, written for real with the data of a contact of the project. It is counted nowhere.
    """
    answer = await request.query(GetCampaignContent(campaign_id=_id(campaign_id), variant=data.variant))
    content = msgspec.json.decode(answer, type=Content)
    sample = msgspec.json.decode(await request.query(ListContacts(limit=1)), type=ContactPage).data
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

    As server-sent events, one whenever something changed, until the campaign is over; with `Accept: application/json`
    as it is now.
    """
    found = _id(campaign_id)
    if b"application/json" in request.context.headers.get(b"accept", b""):
        return RawResponse(encode(await _progress(request, found)))
    return Streamed(_events(request, found), b"text/event-stream")


async def _events(request: ApiRequest, campaign_id: UUID) -> AsyncIterator[bytes]:
    last = b""
    for second in range(LONGEST_WATCH):
        try:
            progress = await _progress(request, campaign_id)
        except (Rejected, Unavailable):
            if second == 0:
                raise
            return
        told = encode(progress)
        yield b": still here\n\n" if told == last else b"event: progress\ndata: " + told + b"\n\n"
        if progress.status in FINAL:
            return
        last = told
        await asyncio.sleep(LOOK_EVERY)


async def _progress(request: ApiRequest, campaign_id: UUID) -> Progress:
    run = msgspec.json.decode(await request.query(GetCampaignProgress(campaign_id=campaign_id)), type=CampaignProgress)
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
    """Progress can be told without it, as while delivery restarts."""
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

    Who was written to, and what came of it; with an A/B test also the variant that each one gets. `total` is of the
    whole campaign, and given on the first page only.
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
) -> Streamed:
    """Export a campaign's recipients

    All of them as CSV, in UTF-8, sent while it is made.
    """
    wanted = ListCampaignRecipients(campaign_id=_id(campaign_id), status=status, variant=variant, limit=EXPORT_PAGE)
    return Streamed(_rows(request, wanted), b"text/csv; charset=utf-8")


async def _rows(request: ApiRequest, wanted: ListCampaignRecipients) -> AsyncIterator[bytes]:
    columns = [field.encode_name for field in msgspec.structs.fields(CampaignRecipient)]
    head: list[list[str]] = [columns]
    cursor: str | None = None
    while True:
        query = msgspec.structs.replace(wanted, cursor=cursor)
        page = msgspec.json.decode(await request.query(query), type=CampaignRecipients)
        yield _csv(head + [[_cell(value) for value in msgspec.to_builtins(each).values()] for each in page.data])
        head, cursor = [], page.cursor
        if cursor is None:
            return


def _csv(rows: list[list[str]]) -> bytes:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: object) -> str:
    """Spreadsheets would take some texts for formulas."""
    text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


@get("/campaigns/{campaign_id:str}/link-clicks", responses=query_responses(list[LinkClicks]), tags=TAGS)
async def list_link_clicks(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """List a campaign's link clicks

    For each link all clicks, and how many contacts clicked; the most clicked first.
    """
    return RawResponse(await request.query(ListLinkClicks(campaign_id=_id(campaign_id))))


@get("/campaigns/{campaign_id:str}/timeline", responses=query_responses(list[CampaignHour]), tags=TAGS)
async def get_campaign_timeline(campaign_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get a campaign's timeline

    What happened in each hour in which anything did. The hours add up to the statistics.
    """
    return RawResponse(await request.query(GetCampaignTimeline(campaign_id=_id(campaign_id))))


def _id(campaign_id: str) -> UUID:
    return parse_id(campaign_id, "Campaign")


ROUTES = [
    list_campaign_contacts,
    test_campaign,
    get_campaign_stats,
    watch_campaign,
    list_campaign_recipients,
    export_campaign_recipients,
    list_link_clicks,
    get_campaign_timeline,
]
