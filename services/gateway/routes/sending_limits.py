"""How fast a project sends, by its own wish."""

from typing import Annotated

from litestar import get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta, field

from libs.schemas.delivery.sending_limits import (
    GetSendingLimits,
    PerSecond,
    SendingLimits,
    SetSendingLimits,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse, command_responses, query_responses
from services.gateway.routes.reputation import require_own

TAGS = ["Projects"]


class LimitsBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In mails per second, from 0.01; null, and domains that are not named, are not limited."""

    per_second: PerSecond | None = None
    domains: Annotated[dict[str, PerSecond], Meta(max_length=100, examples=[{"example.com": 5}])] = field(
        default_factory=dict
    )


@get("/projects/{project_id:str}/sending/limits", responses=query_responses(SendingLimits), tags=TAGS)
async def get_sending_limits(project_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get the project's sending limits"""
    require_own(project_id, request)
    return RawResponse(await request.query(GetSendingLimits()))


@put("/projects/{project_id:str}/sending/limits", responses=command_responses(SendingLimits, 200), tags=TAGS)
async def set_sending_limits(project_id: FromPath[str], data: JSONBody[LimitsBody], request: ApiRequest) -> RawResponse:
    """Limit how fast the project sends

    All of its mail together (`perSecond`), and its mail to single recipient domains (`domains`): below what Amazon SES
    allows the account, which holds in any case. Transactional mail goes first within them, too. What is sent replaces
    what was set, and holds for mails that wait already. Up to half a second's worth may go out at once.
    """
    project = require_own(project_id, request)
    command = SetSendingLimits(project_id=project, per_second=data.per_second, domains=data.domains)
    return RawResponse(await request.execute(command))


ROUTES = [get_sending_limits, set_sending_limits]
