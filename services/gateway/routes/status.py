"""What can be asked without a key: is it there, and what is it."""

from litestar import get

from libs.schemas.base import View
from services.gateway.http.raw_response import Answer, shows


class About(View, frozen=True, kw_only=True):
    name: str
    docs: str


@get("/", responses=shows(About), tags=["Status"])
async def about() -> Answer:
    """What this is, and where its documentation is"""
    return Answer(b'{"name":"Godwit","docs":"/docs"}')


@get("/livez", include_in_schema=False)
async def livez() -> Answer:
    return Answer(b"ok\n", kind=b"text/plain")
