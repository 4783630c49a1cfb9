"""Configuration sets and their event destinations: stored and shown, but without effect on what is published.

The sandbox reports every event of every email to its subscribers. The only effect of a configuration set: email sent
with one whose name contains `no-tracking` is neither opened nor clicked.
"""

import msgspec

from deploy.sandbox.http.asgi import (
    ApiError,
    Request,
    Response,
    json_response,
)
from deploy.sandbox.http.paging import page, page_of
from deploy.sandbox.http.requests import (
    CreateConfigurationSet,
    CreateEventDestination,
    ListRequest,
    decoder,
)
from deploy.sandbox.storage.store import Store

ONE = "select body from configuration_set where name = ?"
PAGE = "select name from configuration_set where name > ? order by name limit ?"
ADD = "insert or ignore into configuration_set (name, body) values (?, ?)"
DELETE = "delete from configuration_set where name = ?"
DELETE_DESTINATIONS = "delete from event_destination where configuration_set = ?"
DESTINATION = "select body from event_destination where configuration_set = ? and name = ?"
DESTINATIONS = "select name, body from event_destination where configuration_set = ? order by name"
ADD_DESTINATION = "insert or ignore into event_destination (configuration_set, name, body) values (?, ?, ?)"

FIRST = "godwit"
EVENT_TYPES = (
    "SEND",
    "REJECT",
    "BOUNCE",
    "COMPLAINT",
    "DELIVERY",
    "OPEN",
    "CLICK",
    "RENDERING_FAILURE",
    "DELIVERY_DELAY",
)

read_create = decoder(CreateConfigurationSet)
read_create_destination = decoder(CreateEventDestination)
read_list = decoder(ListRequest)


class ConfigurationSets:
    def __init__(self, store: Store) -> None:
        self._store = store

    async def open(self, topic_arn: str) -> None:
        """Create the configuration set of a new account, which reports everything to the topic."""
        if self._store.rows(ONE, (FIRST,)):
            return
        destination = {"Enabled": True, "MatchingEventTypes": EVENT_TYPES, "SnsDestination": {"TopicArn": topic_arn}}
        await self._store.write(
            (ADD, [(FIRST, msgspec.json.encode({"ConfigurationSetName": FIRST}))]),
            (ADD_DESTINATION, [(FIRST, "notifications", msgspec.json.encode(destination))]),
        )

    async def create(self, request: Request) -> Response:
        body = await request.body()
        name = read_create(body).configuration_set_name
        if self._store.rows(ONE, (name,)):
            raise ApiError(400, "AlreadyExistsException", f"Configuration set <{name}> already exists.")
        await self._store.write((ADD, [(name, body)]))
        return json_response({})

    async def get(self, request: Request, name: str) -> Response:
        return Response(self._require(name))

    async def list(self, request: Request) -> Response:
        call = read_list(await request.body())
        limit, after = page_of(call.page_size, call.next_token, largest=1000)
        return json_response(page("ConfigurationSets", self._store.rows(PAGE, (after, limit + 1)), limit, str))

    async def delete(self, request: Request, name: str) -> Response:
        self._require(name)
        await self._store.write((DELETE, [(name,)]), (DELETE_DESTINATIONS, [(name,)]))
        return json_response({})

    async def create_destination(self, request: Request, name: str) -> Response:
        self._require(name)
        call = read_create_destination(await request.body())
        if self._store.rows(DESTINATION, (name, call.event_destination_name)):
            raise ApiError(
                400, "AlreadyExistsException", f"Event destination <{call.event_destination_name}> already exists."
            )
        await self._store.write((ADD_DESTINATION, [(name, call.event_destination_name, bytes(call.event_destination))]))
        return json_response({})

    async def destinations(self, request: Request, name: str) -> Response:
        self._require(name)
        shown = [
            {"MatchingEventTypes": [], **msgspec.json.decode(body), "Name": destination}
            for destination, body in self._store.rows(DESTINATIONS, (name,))
        ]
        return json_response({"EventDestinations": shown})

    def _require(self, name: str) -> bytes:
        rows = self._store.rows(ONE, (name,))
        if not rows:
            raise ApiError(404, "NotFoundException", f"Configuration set <{name}> does not exist.")
        body: bytes = rows[0][0]
        return body
