"""Sending domains."""

from litestar import get
from litestar.params import FromPath

from libs.schemas.delivery import DomainView, ListDomains
from services.gateway.answers import Answer, shows
from services.gateway.call import Call
from services.gateway.fields import id_of
from services.gateway.problems import not_found

TAGS = ["Domains"]


@get("/domains", responses=shows(list[DomainView]), tags=TAGS)
async def list_domains(request: Call) -> Answer:
    """List the sending domains of the key's project"""
    return Answer(await request.query(ListDomains()))


@get("/domains/project/{project_id:str}", responses=shows(list[DomainView]), tags=TAGS)
async def list_domains_of_project(project_id: FromPath[str], request: Call) -> Answer:
    """List the sending domains of a project"""
    if id_of(project_id, "Project") != request.project:
        raise not_found("Project")
    return Answer(await request.query(ListDomains()))


ROUTES = [list_domains, list_domains_of_project]
