"""Whether mail goes out at all."""

from litestar import get

from libs.schemas.delivery.sending import GetOutgoing, Outgoing
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.raw_response import RawResponse, query_responses


@get("/sending", responses=query_responses(Outgoing), tags=["Emails"])
async def get_sending(request: ApiRequest) -> RawResponse:
    """Ask whether mail goes out

    It is paused when the database was restored from a backup, until the operator lets it go on: what is queued may have
    been sent already. Until then everything is accepted and waits.
    """
    return RawResponse(await request.query(GetOutgoing()))


ROUTES = [get_sending]
