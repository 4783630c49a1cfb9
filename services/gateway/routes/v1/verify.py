"""Looking at an address before it is written to."""

from typing import Annotated

from litestar import post
from litestar.params import JSONBody
from msgspec import Meta

from libs.kernel.addresses import normalize_address
from libs.runtime.eventstore.codec import encode
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import invalid_field
from services.gateway.http.json_body import Body
from services.gateway.http.raw_response import RawResponse, data_response, query_responses
from services.gateway.verification import VerifyAddress
from services.gateway.verification.results import AddressVerification


class VerifyBody(Body, frozen=True, kw_only=True):
    email: Annotated[str, Meta(max_length=998, examples=["ada@example.com"])]


class Verified(AddressVerification, frozen=True, kw_only=True):
    """The same members twice: under `data`, and, for older clients, beside it."""

    success: bool
    data: AddressVerification


@post("/v1/verify", status_code=200, responses=query_responses(Verified), tags=["Public API"])
async def verify(data: JSONBody[VerifyBody], request: ApiRequest) -> RawResponse:
    """Verify an email address

    Its spelling, what is known of its domain (disposable, forwarding, personal), and what DNS says of it. No mail is
    sent and no mail server is asked. Only a disposable provider, or a domain that is not there or takes no mail, make
    it invalid; what DNS does not answer in time is null.
    """
    address = normalize_address(data.email)
    if address is None:
        raise invalid_field("email", "Invalid email", "invalid_string")
    verify_address: VerifyAddress = request.app.state.verify
    found = await verify_address(address)
    return data_response(encode(found))


ROUTES = [verify]
