"""Results of commands that took longer than a request waits."""

from litestar import get
from litestar.params import FromPath

from services.gateway.http.api_request import ApiRequest
from services.gateway.http.fields import parse_id
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import command_responses
from services.gateway.routes.responses import Done


@get("/commands/{command_id:str}", responses=command_responses(Done, 200), tags=["Commands"])
async def get_command(command_id: FromPath[str], request: ApiRequest) -> RawResponse:
    """Get the result of a command

    For requests that were answered with 202: returns the result once the command is done, or 202 again. Results are
    kept for a day.
    """
    result = await request.context.bus.await_pending(request.project, parse_id(command_id, "Command"))
    return RawResponse(b'{"success":true,"data":' + result + b"}")
