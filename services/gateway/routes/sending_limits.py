"""The limits that a project sets for its own sending rate."""

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
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses
from services.gateway.routes.reputation import own_project

TAGS = ["Projects"]


class LimitsBody(Body, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In mails per second, at least 0.01. Null means no limit, as for domains that are not listed."""

    per_second: PerSecond | None = None
    domains: Annotated[dict[str, PerSecond], Meta(max_length=100, examples=[{"example.com": 5}])] = field(
        default_factory=dict
    )


@get("/projects/{project_id:str}/sending/limits", responses=query_responses(SendingLimits), tags=TAGS)
async def get_sending_limits(project_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get the project's sending limits"""
    own_project(project_id, request)
    return RawResponse(await request.query(GetSendingLimits()))


@put("/projects/{project_id:str}/sending/limits", responses=command_responses(SendingLimits, 200), tags=TAGS)
async def set_sending_limits(project_id: FromPath[str], data: JSONBody[LimitsBody], request: ApiRequest) -> RawResponse:
    """Limit how fast the project sends

    For all of its mail (`perSecond`) and for its mail to single recipient domains (`domains`), in addition to what
    Amazon SES allows the account. Transactional mail has priority within the limits. The body replaces the previous
    limits and also applies to queued mails. Up to half a second's worth may be sent at once.
    """
    project = own_project(project_id, request)
    command = SetSendingLimits(project_id=project, per_second=data.per_second, domains=data.domains)
    return RawResponse(await request.execute(command))
