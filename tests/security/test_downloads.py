"""Files that the API hands out are saved and never shown, and no spreadsheet calculates a cell of them."""

import csv
import io
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar.handlers import HTTPRouteHandler

from services.gateway.http.csv_writer import csv_rows
from services.gateway.http.work_slots import work_slots
from services.gateway.routes.discovery import route_handlers

EXPORTS = [
    handler
    for handler in route_handlers()
    if isinstance(handler, HTTPRouteHandler) and any(path.endswith("/export") for path in handler.paths)
]
PAGE: dict[str, Any] = {"data": [], "keys": [], "after": None}


class EmptyProject:
    """A request in a project without contacts, campaigns and suppressed addresses."""

    project = uuid4()
    app = SimpleNamespace(state=SimpleNamespace(work_slots=work_slots()))

    async def query(self, _query: object) -> bytes:
        return msgspec.json.encode(PAGE)

    async def query_as(self, _query: object, view: type[Any]) -> Any:
        return msgspec.convert(PAGE, view)


async def headers_of(handler: HTTPRouteHandler) -> httpx.Headers:
    ids = {"campaign_id": str(uuid4())} if any("{campaign_id" in path for path in handler.paths) else {}
    response = await handler.fn(request=EmptyProject(), **ids)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    await response({"type": "http"}, receive, send)
    return httpx.Headers(sent[0]["headers"])


def test_every_export_is_known_to_this_test() -> None:
    assert len(EXPORTS) == 3


@pytest.mark.parametrize("handler", EXPORTS, ids=lambda handler: min(handler.paths))
async def test_an_export_is_an_attachment_and_not_cached(handler: HTTPRouteHandler) -> None:
    headers = await headers_of(handler)
    assert headers["content-disposition"].startswith('attachment; filename="')
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_starts_like_a_formula(start: str) -> None:
    [[cell, name]] = csv.reader(io.StringIO(csv_rows([[f"{start}cmd|' /C calc'!A0", "Ada"]]).decode(), newline=""))
    assert cell.startswith(f"'{start}")
    assert name == "Ada"


async def test_every_response_keeps_browsers_from_guessing_its_type(stranger: httpx.AsyncClient) -> None:
    for path in ("/livez", "/contacts/export", "/docs", "/docs/page.js", "/nowhere"):
        assert (await stranger.get(path)).headers.get_list("x-content-type-options") == ["nosniff"], path


async def test_the_documentation_is_in_no_frame_and_runs_no_foreign_script(stranger: httpx.AsyncClient) -> None:
    page = await stranger.get("/docs")
    policy = page.headers["content-security-policy"]
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= {part.strip() for part in policy.split(";")}
    assert "unsafe" not in policy
    assert page.headers["x-frame-options"] == "DENY"
    script = (await stranger.get("/docs/page.js")).text
    assert not any(storage in script for storage in ("sessionStorage", "localStorage", "indexedDB", "document.cookie"))
