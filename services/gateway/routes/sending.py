"""Whether mail is being sent at all."""

from litestar import get

from libs.schemas.delivery.sending import GetOutgoing, Outgoing
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import query_responses


@get("/sending", responses=query_responses(Outgoing), tags=["Emails"])
async def get_sending(request: ApiRequest) -> RawResponse:
    """Check whether mail is being sent

    Sending is paused after the database was restored from a backup, until the operator resumes it: queued mails may
    have been sent already. Until then all mails are accepted and wait.
    """
    return RawResponse(await request.query(GetOutgoing()))
