"""The account's suppression list: addresses whose email SES accepts and then bounces without trying to deliver it."""

import time
from collections.abc import Iterable
from datetime import datetime

import msgspec

from deploy.sandbox.http.asgi import (
    ApiError,
    Request,
    Response,
    json_response,
)
from deploy.sandbox.http.paging import page, page_of
from deploy.sandbox.http.requests import PutSuppressedDestination, decoder
from deploy.sandbox.ses.drafts import bad_request
from deploy.sandbox.storage.store import Store, Value

ALL = "select address from suppression"
ONE = "select address, reason, since from suppression where address = ?"
PAGE = """
select address, reason, since from suppression
where address > :after and since >= :start and since <= :end
  and (:reasons = '[]' or reason in (select value from json_each(:reasons)))
order by address limit :limit
"""
PUT = """
insert into suppression (address, reason, since) values (?, ?, ?)
on conflict (address) do update set reason = excluded.reason, since = excluded.since
"""
DELETE = "delete from suppression where address = ?"

read_put = decoder(PutSuppressedDestination)


class SuppressionList:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._addresses: set[str] = {address for (address,) in store.rows(ALL)}

    def __contains__(self, address: object) -> bool:
        """Return whether this address, in lower case, is suppressed."""
        return address in self._addresses

    def add(self, addresses: Iterable[str]) -> None:
        """Add addresses that were stored together with the messages that got them suppressed."""
        self._addresses.update(addresses)

    async def put(self, request: Request) -> Response:
        call = read_put(await request.body())
        await self._store.write((PUT, [(call.email_address.lower(), call.reason, time.time())]))
        self.add([call.email_address.lower()])
        return json_response({})

    async def get(self, request: Request, address: str) -> Response:
        return json_response({"SuppressedDestination": _summary(*self._require(address))})

    async def delete(self, request: Request, address: str) -> Response:
        self._require(address)
        await self._store.write((DELETE, [(address.lower(),)]))
        self._addresses.discard(address.lower())
        return json_response({})

    async def list(self, request: Request) -> Response:
        query = request.query
        limit, after = page_of(query.get("PageSize"), query.get("NextToken"), largest=1000)
        values: dict[str, Value] = {
            "reasons": msgspec.json.encode(request.query_lists.get("Reason", [])).decode(),
            "start": _moment(query.get("StartDate"), 0.0),
            "end": _moment(query.get("EndDate"), float("inf")),
            "after": after,
            "limit": limit + 1,
        }
        rows = self._store.rows(PAGE, values)
        return json_response(page("SuppressedDestinationSummaries", rows, limit, _summary))

    def _require(self, address: str) -> tuple[str, str, float]:
        rows = self._store.rows(ONE, (address.lower(),))
        if not rows:
            raise ApiError(
                404, "NotFoundException", f"Email address {address} does not exist on your suppression list."
            )
        address, reason, since = rows[0]
        return address, reason, since


def _summary(address: str, reason: str, since: float) -> dict[str, object]:
    return {"EmailAddress": address, "Reason": reason, "LastUpdateTime": since}


def _moment(text: str | None, default: float) -> float:
    if text is None:
        return default
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise bad_request(f"{text} is not a date.") from None
