"""Routes without an API key that tell whether this is Godwit and whether it is running."""

from litestar import get

from libs.schemas.base import View
from services.gateway.http.auth import NEEDS_NO_KEY
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import query_responses


class About(View, frozen=True, kw_only=True):
    name: str
    docs: str


@get("/", responses=query_responses(About), tags=["Status"], opt={NEEDS_NO_KEY: True})
async def about() -> RawResponse:
    """Get the name of this software and the address of its documentation"""
    return RawResponse(b'{"name":"Godwit","docs":"/docs"}')


@get("/livez", include_in_schema=False, opt={NEEDS_NO_KEY: True})
async def livez() -> RawResponse:
    return RawResponse(b"ok\n", media_type=b"text/plain")
