"""Commands whose answer did not come in time."""

from litestar import get
from litestar.params import FromPath

from services.gateway.http.api_request import Call
from services.gateway.http.fields import id_of
from services.gateway.http.raw_response import Answer, returns
from services.gateway.routes.responses import Done


@get("/commands/{command_id:str}", responses=returns(Done, 200), tags=["Commands"])
async def get_command(command_id: FromPath[str], request: Call) -> Answer:
    """Get the answer to a command

    For requests that were answered with 202: the answer of the command, once it is done, or 202 again. Kept for a day.
    """
    result = await request.exchange.bus.ask_again(request.project, id_of(command_id, "Command"))
    return Answer(b'{"success":true,"data":' + result + b"}")


ROUTES = [get_command]
