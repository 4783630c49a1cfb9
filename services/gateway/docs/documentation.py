"""The API's documentation at /docs: the OpenAPI description, and a page that shows it and tries it out.

The page is ours and loads nothing from anywhere else, so it works without a way to the internet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Request, Router, get
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, Operation, SecurityScheme, Tag
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

from services.gateway.http.raw_response import RawResponse

FILES = Path(__file__).parent

ABOUT = """\
Godwit's HTTP API. Every request carries an API key: `Authorization: Bearer sk_...`. Public keys (`pk_...`) may only
track events.

Errors have one form: `{"success": false, "error": {"code", "message", "statusCode", "requestId", ...}, "timestamp"}`.
Any POST, PUT, PATCH or DELETE may carry an `Idempotency-Key` (1 to 255 printable ASCII characters, kept for 24 hours):
the same request again gets the same answer, and nothing happens twice. A change that takes longer than ten seconds is
answered with 202, and `Location` says where its answer can be had.
"""

TAGS = {
    "Public API": "What applications call",
    "Contacts": "Whom you write to",
    "Older API": "The calls of the API's first version",
    "Imports": "Contacts from files and into files",
    "Bulk operations": "One thing for many contacts",
    "Custom fields": "The keys of contacts' data",
    "Events": "What contacts did",
    "Segments": "Contacts that have something in common",
    "Templates": "Mails to be filled in",
    "Campaigns": "One mail to many",
    "Workflows": "What happens after what",
    "Emails": "Every mail, and what became of it",
    "Analytics": "How it all went",
    "Domains": "What you send from",
    "Suppressions": "Who gets no mail",
    "Projects": "Their names and languages",
    "Commands": "Answers that took longer",
    "Webhooks": "For Amazon SNS",
    "Status": "This installation",
}


class DocsPage(OpenAPIRenderPlugin):
    """Shows the description that is at `openapi.json` beside it."""

    def __init__(self) -> None:
        super().__init__(path="/", favicon="", style="")
        self._page = (FILES / "page.html").read_bytes()

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return self._page

    def receive_router(self, router: Router) -> None:
        router.register(script)


@get("/page.js", include_in_schema=False)
async def script() -> RawResponse:
    return RawResponse((FILES / "page.js").read_bytes(), kind=b"text/javascript; charset=utf-8")


@dataclass
class Described(Operation):
    """An operation whose handler's docstring begins with its summary, in a line of its own."""

    def __post_init__(self) -> None:
        self.summary, _, self.description = (self.description or "").partition("\n\n")


def described(handlers: Sequence[HTTPRouteHandler]) -> Sequence[HTTPRouteHandler]:
    """The handlers, with their docstrings read as `Described` does."""
    for handler in handlers:
        handler.operation_class = Described
    return handlers


def operation_id(handler: HTTPRouteHandler, _: Method, __: list[str | PathParameterDefinition]) -> str:
    """The handler's name in camelCase, such as `saveContact`."""
    first, *others = handler.fn.__name__.split("_")
    return first + "".join(other.capitalize() for other in others)


def openapi() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Godwit",
        version="1",
        description=ABOUT,
        path="/docs",
        render_plugins=[DocsPage()],
        components=Components(
            security_schemes={"key": SecurityScheme(type="http", scheme="bearer", description="An API key")}
        ),
        tags=[Tag(name=name, description=text) for name, text in TAGS.items()],
        use_handler_docstrings=True,
        operation_id_creator=operation_id,
    )
