"""The API's documentation at /docs: the OpenAPI description, and a page that shows it and can send requests.

The page loads nothing from elsewhere, so it works without access to the internet.
"""

from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
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
from services.gateway.http.request_context import context_of

FILES = Path(__file__).parent

ABOUT = """\
Godwit's HTTP API. Every request carries an API key: `Authorization: Bearer sk_...`. Public keys (`pk_...`) may only
track events.

All errors look alike: `{"success": false, "error": {"code", "message", "statusCode", "requestId", ...}, "timestamp"}`.
Any POST, PUT, PATCH or DELETE may carry an `Idempotency-Key` (1 to 255 printable ASCII characters, kept for 24 hours):
a repeat of the request gets the same response, and nothing happens twice. A change that takes longer than ten seconds
is answered with 202, and `Location` gives its result later.
"""

TAGS = {
    "Public API": "For applications: track events, send and verify",
    "Contacts": "The people you write to",
    "Older API": "The first version of the API",
    "Imports": "Import and export contacts",
    "Bulk operations": "Change many contacts at once",
    "Custom fields": "The keys of contacts' data",
    "Events": "What contacts did",
    "Segments": "Groups of contacts, by a condition or a list",
    "Templates": "Reusable mails with variables",
    "Campaigns": "One mail to many contacts",
    "Workflows": "Automated steps after an event",
    "Emails": "Every mail and its status",
    "Analytics": "Figures over time",
    "Domains": "The domains that you send from",
    "Suppressions": "Addresses that get no mail",
    "Projects": "Settings, reputation and sending limits",
    "Commands": "Results of changes that took longer",
    "Webhooks": "For Amazon SNS",
    "Status": "This installation",
}


class DocsPage(OpenAPIRenderPlugin):
    """Shows the description from `openapi.json`."""

    def __init__(self) -> None:
        super().__init__(path="/", favicon="", style="")
        page = (FILES / "page.html").read_text(encoding="utf-8")
        self._page = page.encode()
        self._headers = page_headers(page)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        context_of(request.scope).response_headers.extend(self._headers)
        return self._page

    def receive_router(self, router: Router) -> None:
        router.register(script)


def page_headers(page: str) -> list[tuple[bytes, bytes]]:
    """Return headers that let the page run its own script and style, talk to its own API, and be in no frame."""
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'sha256-{digest}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", policy.encode()),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cache-control", b"no-cache"),
    ]


@get("/page.js", include_in_schema=False)
async def script() -> RawResponse:
    return RawResponse((FILES / "page.js").read_bytes(), media_type=b"text/javascript; charset=utf-8")


@dataclass
class DocumentedOperation(Operation):
    """An operation whose handler's docstring begins with the summary, followed by an empty line."""

    def __post_init__(self) -> None:
        self.summary, _, self.description = (self.description or "").partition("\n\n")


def operation_id(handler: HTTPRouteHandler, _: Method, __: list[str | PathParameterDefinition]) -> str:
    """Return the handler's name in camelCase, such as `saveContact`."""
    first, *others = handler.fn.__name__.split("_")
    return first + "".join(other.capitalize() for other in others)


def openapi_config() -> OpenAPIConfig:
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
