"""Mails: their status, their timeline, and the ledger of all mails."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import FromPath, QueryParameter

from libs.kernel.field_errors import NO_NUL
from libs.runtime.eventstore.codec import encode
from libs.schemas.delivery.emails import (
    CancelEmail,
    EmailDetail,
    EmailPage,
    EmailState,
    EmailView,
    GetEmail,
    ListEmails,
    ResendEmail,
    Source,
)
from libs.schemas.delivery.sending import GetLedger, Ledger
from libs.schemas.feedback.mails import EmailFeedback, GetEmailFeedback
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.fields import parse_id
from services.gateway.http.parameters import Cursor, Limit
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses
from services.gateway.mails.timeline import timeline_of

TAGS = ["Emails"]
OfCampaign = Annotated[UUID | None, QueryParameter(name="campaignId", description="Only mails of this campaign")]


@get("/emails", responses=query_responses(EmailPage), tags=TAGS)
async def list_emails(
    request: ApiRequest,
    limit: Limit = 20,
    cursor: Cursor = None,
    state_: Annotated[EmailState | None, QueryParameter(name="state", description="Only mails in this state")] = None,
    source: Annotated[Source | None, QueryParameter(description="Only mails from this source")] = None,
    campaign_id: OfCampaign = None,
    workflow_id: Annotated[
        UUID | None, QueryParameter(name="workflowId", description="Only mails of this workflow")
    ] = None,
    contact_id: Annotated[
        UUID | None, QueryParameter(name="contactId", description="Only mails to this contact")
    ] = None,
    to: Annotated[
        str | None, QueryParameter(max_length=254, pattern=NO_NUL, description="Only mails to this address")
    ] = None,
) -> RawResponse:
    """List emails

    Newest first.
    """
    query = ListEmails(
        limit=limit,
        cursor=cursor,
        state=state_,
        source=source,
        campaign_id=campaign_id,
        workflow_id=workflow_id,
        contact_id=contact_id,
        recipient=to,
    )
    return RawResponse(await request.query(query))


@get("/emails/ledger", responses=query_responses(Ledger), tags=TAGS)
async def get_ledger(request: ApiRequest, campaign_id: OfCampaign = None) -> RawResponse:
    """Get the ledger

    The number of mails in each state. The states always add up to `intents`: no mail is lost.
    """
    return RawResponse(await request.query(GetLedger(campaign_id=campaign_id)))


@get("/emails/{email_id:str}", responses=query_responses(EmailDetail), tags=TAGS)
async def get_email(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get an email and its timeline

    `timeline` lists in order what Godwit did and what Amazon SES reported: when the mail was queued, the result of each
    attempt, how an unknown outcome was resolved, and when the mail was first delivered, opened and so on. `email.sent`
    has the time at which Amazon SES accepted the mail if that was before its response was recorded.
    """
    parsed_id = parse_id(email_id, "Email")
    mail = await request.query_as(GetEmail(email_id=parsed_id), EmailDetail)
    reported = await request.query_as(GetEmailFeedback(email_id=parsed_id), EmailFeedback)
    return RawResponse(encode(msgspec.structs.replace(mail, timeline=timeline_of(mail.timeline, reported))))


@post("/emails/{email_id:str}/cancel", status_code=200, responses=command_responses(EmailView, 200), tags=TAGS)
async def cancel_email(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Cancel an email

    Only while it is queued and was not handed to Amazon SES. After that: 409 `EMAIL_NOT_CANCELLABLE`.
    """
    return RawResponse(await request.execute(CancelEmail(email_id=parse_id(email_id, "Email"))))


@post("/emails/{email_id:str}/resend", status_code=200, responses=command_responses(EmailView, 200), tags=TAGS)
async def resend_email(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Resend an email whose outcome is unknown

    For a mail in the state `unknown`: Amazon SES did not answer, and no notification has arrived since. It is sent
    again now and may arrive twice. 409 `EMAIL_ALREADY_SENT` or `EMAIL_NOT_UNKNOWN` for any other mail.
    """
    return RawResponse(await request.execute(ResendEmail(email_id=parse_id(email_id, "Email"))))


@get("/emails/{email_id:str}/feedback", responses=query_responses(EmailFeedback), tags=TAGS)
async def get_email_feedback(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get the feedback on an email

    Its delivery, opens, clicks, bounces and complaint, as reported by Amazon SES.
    """
    parsed_id = parse_id(email_id, "Email")
    await request.query(GetEmail(email_id=parsed_id))  # 404 for an email that the project does not have
    return RawResponse(await request.query(GetEmailFeedback(email_id=parsed_id)))
