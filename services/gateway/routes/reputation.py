"""The reputation of a project, and pausing its bulk mail."""

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
from services.gateway.http.raw_response import RawResponse, data_response
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Projects"]


class Shown(ReputationView, frozen=True, kw_only=True):
    success: bool
    data: ReputationView


class Decision(Body, frozen=True, kw_only=True):
    """`note` is the reason; it is stored with the decision."""

    note: Annotated[str, Meta(max_length=500, pattern=NO_NUL)] = ""


@get("/projects/{project_id:str}/security", responses=query_responses(Shown), tags=TAGS)
async def get_security(project_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get the project's reputation

    The rates of bounces and complaints, the limits that they exceed, and whether campaigns and workflows are paused for
    it. Rates are percentages of the mails sent since sending was last resumed.
    """
    own_project(project_id, request)
    return data_response(await request.query(GetReputation()))


@post("/projects/{project_id:str}/sending/pause", status_code=200, responses=command_responses(Shown, 200), tags=TAGS)
async def pause_sending(project_id: FromPath[str], data: JSONBody[Decision], request: ApiRequest) -> RawResponse:
    """Pause the project's campaigns and workflows

    Queued mails stay queued. Transactional mail is still sent.
    """
    own_project(project_id, request)
    return data_response(await request.execute(PauseSending(by=request.principal.actor, note=data.note)))


@post("/projects/{project_id:str}/sending/resume", status_code=200, responses=command_responses(Shown, 200), tags=TAGS)
async def resume_sending(project_id: FromPath[str], data: JSONBody[Decision], request: ApiRequest) -> RawResponse:
    """Resume the project's campaigns and workflows

    The project's reputation is then measured from this moment on.
    """
    own_project(project_id, request)
    return data_response(await request.execute(ResumeSending(by=request.principal.actor, note=data.note)))


def own_project(project_id: str, request: ApiRequest) -> UUID:
    """Return the project of the API key. Raises ApiError (404) if the path names another one."""
    if parse_id(project_id, "Project") != request.project:
        raise not_found("Project")
    return request.project
