"""Mails: what became of each, and of all together."""

from typing import Annotated
from uuid import UUID

from litestar import get
from litestar.params import FromPath, QueryParameter

from libs.schemas.delivery import EmailPage, EmailState, EmailView, GetEmail, GetLedger, Ledger, ListEmails
from libs.schemas.feedback import EmailFeedback, GetEmailFeedback
from services.gateway.answers import Answer, shows
from services.gateway.call import Call
from services.gateway.fields import Cursor, Limit, id_of

TAGS = ["Emails"]
OfCampaign = Annotated[UUID | None, QueryParameter(name="campaignId", description="Only mails of this campaign")]


@get("/emails", responses=shows(EmailPage), tags=TAGS)
async def list_emails(
    request: Call,
    limit: Limit = 20,
    cursor: Cursor = None,
    state_: Annotated[EmailState | None, QueryParameter(name="state", description="Only mails in this state")] = None,
    campaign_id: OfCampaign = None,
) -> Answer:
    """List emails

    Newest first.
    """
    query = ListEmails(limit=limit, cursor=cursor, state=state_, campaign_id=campaign_id)
    return Answer(await request.query(query))


@get("/emails/ledger", responses=shows(Ledger), tags=TAGS)
async def get_ledger(request: Call, campaign_id: OfCampaign = None) -> Answer:
    """Get the ledger

    How many mails there are in each state. The states add up to the intents, always: no mail is lost.
    """
    return Answer(await request.query(GetLedger(campaign_id=campaign_id)))


@get("/emails/{email_id:str}", responses=shows(EmailView), tags=TAGS)
async def get_email(email_id: FromPath[str], request: Call) -> Answer:
    """Get an email"""
    return Answer(await request.query(GetEmail(email_id=id_of(email_id, "Email"))))


@get("/emails/{email_id:str}/feedback", responses=shows(EmailFeedback), tags=TAGS)
async def get_email_feedback(email_id: FromPath[str], request: Call) -> Answer:
    """Get what is known of an email after it was sent

    Delivery, opens, clicks, bounce and complaint, as Amazon SES reported them.
    """
    return Answer(await request.query(GetEmailFeedback(email_id=id_of(email_id, "Email"))))


ROUTES = [list_emails, get_ledger, get_email, get_email_feedback]
