"""Verification of an address before it is written to."""

from typing import Annotated

from litestar import post
from litestar.params import JSONBody
from msgspec import Meta

from libs.kernel.addresses import normalize_address
from libs.runtime.eventstore.codec import encode
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse, data_response
from services.gateway.http.response_docs import query_responses
from services.gateway.http.work_slots import slots_of
from services.gateway.verification import VerifyAddress
from services.gateway.verification.results import AddressVerification


class VerifyBody(Body, frozen=True, kw_only=True):
    email: Annotated[str, Meta(max_length=998, examples=["ada@example.com"])]


class Verified(AddressVerification, frozen=True, kw_only=True):
    """The members appear twice: under `data`, and beside it for older clients."""

    success: bool
    data: AddressVerification


@post("/v1/verify", status_code=200, responses=query_responses(Verified), tags=["Public API"])
async def verify(data: JSONBody[VerifyBody], request: ApiRequest) -> RawResponse:
    """Verify an email address

    Checks its spelling, what is known about its domain (disposable, forwarding, personal), and what DNS says about it.
    No mail is sent and no mail server is asked. Only a disposable provider, or a domain that does not exist or accepts
    no mail, makes it invalid. What DNS does not answer in time is null.
    """
    address = normalize_address(data.email)
    if address is None:
        raise invalid_field("email", "Invalid email", "invalid_string")
    verify_address: VerifyAddress = request.app.state.verify
    async with slots_of(request.app).verifications.hold(request.project):
        found = await verify_address(address)
    return data_response(encode(found))
