"""The project of the API key."""

from typing import Annotated

import msgspec
from litestar import get, patch
from litestar.params import FromPath, JSONBody

from libs.schemas.gateway import GetProject, ProjectView, UpdateProject
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.fields import Name, parse_id
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses, query_responses

TAGS = ["Projects"]

Language = Annotated[str, msgspec.Meta(min_length=2, max_length=35, examples=["de"])]

Timezone = Annotated[str, msgspec.Meta(min_length=1, max_length=64, examples=["Europe/Berlin"])]


class ProjectChanges(Body, frozen=True, kw_only=True):
    name: Name | None = None
    language: Language | msgspec.UnsetType | None = msgspec.UNSET
    timezone: Timezone | msgspec.UnsetType | None = msgspec.UNSET
    tracking: bool | None = None


@get("/users/@me/projects", responses=query_responses(list[ProjectView]), tags=TAGS)
async def list_projects(request: ApiRequest) -> RawResponse:
    """List the projects of the API key

    A key belongs to one project, so the list has one entry.
    """
    return RawResponse(b"[" + await request.query(GetProject()) + b"]")


@patch("/users/@me/projects/{project_id:str}", responses=command_responses(ProjectView, 200), tags=TAGS)
async def update_project(project_id: FromPath[str], data: JSONBody[ProjectChanges], request: ApiRequest) -> RawResponse:
    """Change the settings of a project

    `name` is the name of the sender on the pages behind links in mails. `language` is the language of these pages for
    contacts whose data has no `locale`; null resets it to the language of the reader's browser, or English. `timezone`
    is the time zone of contacts whose data has no `timezone`, as a name from the IANA database; null resets it to UTC.
    With `tracking: false`, opens and clicks of campaigns and workflows are not tracked.
    """
    command = UpdateProject(
        project_id=parse_id(project_id, "Project"),
        name=data.name,
        language=data.language,
        timezone=data.timezone,
        tracking=data.tracking,
    )
    return RawResponse(await request.execute(command))
