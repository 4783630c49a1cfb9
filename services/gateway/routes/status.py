"""What can be asked without a key: is it there, and what is it."""

from litestar import get

from libs.schemas.base import View
from services.gateway.http.raw_response import RawResponse, query_responses


class About(View, frozen=True, kw_only=True):
    name: str
    docs: str


@get("/", responses=query_responses(About), tags=["Status"])
async def about() -> RawResponse:
    """What this is, and where its documentation is"""
    return RawResponse(b'{"name":"Godwit","docs":"/docs"}')


@get("/livez", include_in_schema=False)
async def livez() -> RawResponse:
    return RawResponse(b"ok\n", kind=b"text/plain")
