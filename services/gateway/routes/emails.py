"""Mails: what became of each, and of all together."""

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
from services.gateway.http.fields import Cursor, Limit, parse_id
from services.gateway.http.raw_response import RawResponse, command_responses, query_responses
from services.gateway.mails.timeline import life

TAGS = ["Emails"]
OfCampaign = Annotated[UUID | None, QueryParameter(name="campaignId", description="Only mails of this campaign")]


@get("/emails", responses=query_responses(EmailPage), tags=TAGS)
async def list_emails(
    request: ApiRequest,
    limit: Limit = 20,
    cursor: Cursor = None,
    state_: Annotated[EmailState | None, QueryParameter(name="state", description="Only mails in this state")] = None,
    source: Annotated[Source | None, QueryParameter(description="Only mails that come from there")] = None,
    campaign_id: OfCampaign = None,
    workflow_id: Annotated[UUID | None, QueryParameter(name="workflowId", description="Only of this workflow")] = None,
    contact_id: Annotated[UUID | None, QueryParameter(name="contactId", description="Only to this contact")] = None,
    to: Annotated[
        str | None, QueryParameter(max_length=254, pattern=NO_NUL, description="Only to this address")
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

    How many mails there are in each state. The states add up to the intents, always: no mail is lost.
    """
    return RawResponse(await request.query(GetLedger(campaign_id=campaign_id)))


@get("/emails/{email_id:str}", responses=query_responses(EmailDetail), tags=TAGS)
async def get_email(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get an email and its life

    `timeline` tells in order what we did and what Amazon SES reported: when the mail was queued, what became of each
    attempt, how a doubt was resolved, and when the mail was first delivered, opened and so on. `email.sent` is dated by
    Amazon SES where it took the mail before we noted its answer.
    """
    wanted = parse_id(email_id, "Email")
    mail = msgspec.json.decode(await request.query(GetEmail(email_id=wanted)), type=EmailDetail)
    reported = msgspec.json.decode(await request.query(GetEmailFeedback(email_id=wanted)), type=EmailFeedback)
    return RawResponse(encode(msgspec.structs.replace(mail, timeline=life(mail.timeline, reported))))


@post("/emails/{email_id:str}/cancel", status_code=200, responses=command_responses(EmailView, 200), tags=TAGS)
async def cancel_email(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Cancel an email

    While it is queued, and only if Amazon SES cannot have it yet: 409 `EMAIL_NOT_CANCELLABLE` after.
    """
    return RawResponse(await request.execute(CancelEmail(email_id=parse_id(email_id, "Email"))))


@post("/emails/{email_id:str}/resend", status_code=200, responses=command_responses(EmailView, 200), tags=TAGS)
async def resend_email(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Send an email of unknown outcome again

    Amazon SES left our call without an answer, and no notification has told us since. It is sent again now, and may
    arrive twice. 409 `EMAIL_ALREADY_SENT` or `EMAIL_NOT_UNKNOWN` if there is no such doubt.
    """
    return RawResponse(await request.execute(ResendEmail(email_id=parse_id(email_id, "Email"))))


@get("/emails/{email_id:str}/feedback", responses=query_responses(EmailFeedback), tags=TAGS)
async def get_email_feedback(email_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get what is known of an email after it was sent

    Delivery, opens, clicks, bounce and complaint, as Amazon SES reported them.
    """
    return RawResponse(await request.query(GetEmailFeedback(email_id=parse_id(email_id, "Email"))))


ROUTES = [list_emails, get_ledger, get_email, get_email_feedback, cancel_email, resend_email]
