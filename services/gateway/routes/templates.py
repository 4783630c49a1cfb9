"""Templates."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from libs.runtime.clock import uuid7
from libs.schemas.campaigns import CreateTemplate, GetTemplate, ListTemplates, TemplatePage, TemplateView
from services.gateway.answers import Answer, returns, shows
from services.gateway.call import Call
from services.gateway.fields import PageNumber, PageSize, id_of
from services.gateway.routes.content import MAX_BYTES, ContentBody

TAGS = ["Templates"]


@get("/templates", responses=shows(TemplatePage), tags=TAGS)
async def list_templates(request: Call, page: PageNumber = 1, page_size: PageSize = 20) -> Answer:
    """List templates

    Newest first.
    """
    return Answer(await request.query(ListTemplates(page=page, page_size=page_size)))


@post("/templates", responses=returns(TemplateView, 201), tags=TAGS, request_max_body_size=MAX_BYTES)
async def create_template(data: JSONBody[ContentBody], request: Call) -> Answer:
    """Create a template

    A syntax error in subject or body is refused, with its line and column.
    """
    command = CreateTemplate(template_id=uuid7(), name=data.name, content=data.content(), description=data.description)
    return Answer(await request.ask(command), 201)


@get("/templates/{template_id:str}", responses=shows(TemplateView), tags=TAGS)
async def get_template(template_id: FromPath[str], request: Call) -> Answer:
    """Get a template"""
    return Answer(await request.query(GetTemplate(template_id=id_of(template_id, "Template"))))


ROUTES = [list_templates, create_template, get_template]
