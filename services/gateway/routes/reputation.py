"""How a project's mail is received, and whether its bulk mail may be sent."""

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from libs.kernel.field_errors import NO_NUL
from libs.schemas.feedback.reputation import (
    GetReputation,
    PauseSending,
    ReputationView,
    ResumeSending,
)
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import not_found
from services.gateway.http.fields import parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import (
    RawResponse,
    command_responses,
    data_response,
    query_responses,
)

TAGS = ["Projects"]


class Shown(ReputationView, frozen=True, kw_only=True):
    success: bool
    data: ReputationView


class Decision(Body, frozen=True, kw_only=True):
    """`note` says why; it is kept with the decision."""

    note: Annotated[str, Meta(max_length=500, pattern=NO_NUL)] = ""


@get("/projects/{project_id:str}/security", responses=query_responses(Shown), tags=TAGS)
async def get_security(project_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get the project's reputation

    The shares of its mail that bounced or were complained about, the limits that they exceed, and whether its campaigns
    and workflows are paused for it. Shares are in percent, of what was sent since sending was last resumed.
    """
    require_own(project_id, request)
    return data_response(await request.query(GetReputation()))


@post("/projects/{project_id:str}/sending/pause", status_code=200, responses=command_responses(Shown, 200), tags=TAGS)
async def pause_sending(project_id: FromPath[str], data: JSONBody[Decision], request: ApiRequest) -> RawResponse:
    """Pause the project's campaigns and workflows

    What is queued stays queued. Transactional mail goes on.
    """
    require_own(project_id, request)
    return data_response(await request.execute(PauseSending(by=request.principal.actor, note=data.note)))


@post("/projects/{project_id:str}/sending/resume", status_code=200, responses=command_responses(Shown, 200), tags=TAGS)
async def resume_sending(project_id: FromPath[str], data: JSONBody[Decision], request: ApiRequest) -> RawResponse:
    """Resume the project's campaigns and workflows

    From then on the project is judged by what happens from then on.
    """
    require_own(project_id, request)
    return data_response(await request.execute(ResumeSending(by=request.principal.actor, note=data.note)))


def require_own(project_id: str, request: ApiRequest) -> UUID:
    """A key speaks for its own project only."""
    if parse_id(project_id, "Project") != request.project:
        raise not_found("Project")
    return request.project


ROUTES = [get_security, pause_sending, resume_sending]
