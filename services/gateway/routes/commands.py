"""Commands whose answer did not come in time."""

from litestar import get
from litestar.params import FromPath

from services.gateway.http.api_request import ApiRequest
from services.gateway.http.fields import parse_id
from services.gateway.http.raw_response import RawResponse, command_responses
from services.gateway.routes.responses import Done


@get("/commands/{command_id:str}", responses=command_responses(Done, 200), tags=["Commands"])
async def get_command(command_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get the answer to a command

    For requests that were answered with 202: the answer of the command, once it is done, or 202 again. Kept for a day.
    """
    result = await request.context.bus.await_pending(request.project, parse_id(command_id, "Command"))
    return RawResponse(b'{"success":true,"data":' + result + b"}")


ROUTES = [get_command]
