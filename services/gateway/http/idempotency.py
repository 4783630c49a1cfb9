"""Idempotency: a request that carries an Idempotency-Key is done once, however often it is sent.

The first request claims the key; its response is stored for a day and returned to every repeat. The claim also fixes
the id of the request's command. So a repeat of a request that died on the way (once its lease has expired) or got no
final response can run again without anything happening twice.

Each public key has a space of its own, so strangers cannot occupy the keys of anybody else or learn what they were used
for. The secret keys of a project share one, so that a request can be repeated with the key that replaces the first.
"""

from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Any

import asyncpg
import msgspec
import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from libs.kernel.instants import iso
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from services.gateway.accounts.keys import Principal
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError
from services.gateway.http.json_body import check_limits
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.request_context import RequestContext

log = structlog.get_logger()

LEASE_SECONDS = 30
KEPT_HOURS = 24
MAX_KEY_LENGTH = 255
TIMEOUT = 5.0
STREAMED_BODY = "streamed_body"
"""The option of a route whose body is too large to be held in memory. The body is not part of the fingerprint then, so
the route itself must check what a repeat brings."""

RATE_LIMITED = 429
REUSED, IN_PROGRESS = "IDEMPOTENCY_KEY_REUSED", "IDEMPOTENCY_KEY_IN_PROGRESS"

CHANGING = frozenset(("POST", "PUT", "PATCH", "DELETE"))

CLAIM = """
insert into idempotency as existing
    (project, key, fingerprint, request, command_id, claimed_at, leased_until, expires_at)
select $1, $2, $3, $4, $5, now, now + make_interval(secs => $6), now + make_interval(hours => $7)
from clock_timestamp() as now
on conflict (project, key) do update set
    fingerprint = excluded.fingerprint,
    request = excluded.request,
    command_id =
        case when existing.expires_at < excluded.claimed_at then excluded.command_id else existing.command_id end,
    claimed_at = excluded.claimed_at,
    leased_until = excluded.leased_until,
    expires_at = excluded.expires_at,
    status = null
where existing.expires_at < excluded.claimed_at
   or existing.status is null and existing.leased_until < excluded.claimed_at
      and existing.fingerprint = excluded.fingerprint
returning command_id
"""

FIND = """
select fingerprint, request, claimed_at, status, location, body,
    greatest(1, ceil(extract(epoch from leased_until - clock_timestamp())))::int as leased_for
from idempotency where project = $1 and key = $2
"""

STORE_RESPONSE = """
update idempotency set status = $4, location = $5, body = $6
where project = $1 and key = $2 and command_id = $3 and status is null
"""
RELEASE = "delete from idempotency where project = $1 and key = $2 and command_id = $3 and status is null"
END_LEASE = """
update idempotency set leased_until = clock_timestamp()
where project = $1 and key = $2 and command_id = $3 and status is null
"""
DELETE_EXPIRED = "delete from idempotency where expires_at < clock_timestamp()"


class StoredResponse(msgspec.Struct, frozen=True):
    """A response that is returned to repeats."""

    status: int
    location: str | None
    body: bytes

    def replay(self) -> RawResponse:
        location = [(b"location", self.location.encode())] if self.location else []
        return RawResponse(self.body, self.status, headers=[*location, (b"idempotency-replayed", b"true")])


class BufferedResponse(msgspec.Struct):
    """The response of a route, held back until it is stored."""

    start: Any = None
    body: bytes = b""

    async def receive(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        elif message["type"] == "http.response.body":
            self.body += message["body"]

    @property
    def status(self) -> int:
        status: int = self.start["status"]
        return status

    @property
    def is_pending(self) -> bool:
        """Whether it only says where the result will be. A job that was accepted is a final response."""
        return self.status == 202 and self.location is not None

    @property
    def location(self) -> str | None:
        return next((value.decode() for name, value in self.start["headers"] if name == b"location"), None)

    async def send_to(self, send: Send) -> None:
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class IdempotencyMiddleware:
    """Runs a request under its key. It stands behind the authentication, because keys belong to a project."""

    def __init__(self, app: ASGIApp, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._app = app
        self._keys = IdempotencyKeys(pool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = ApiRequest(scope, receive, send)
        raw = request.context.headers.get(b"idempotency-key")
        if raw is None or request.method not in CHANGING:
            await self._app(scope, receive, send)
            return
        key = valid_key(raw)
        body = b"" if STREAMED_BODY in scope["route_handler"].opt else await request.body()
        stored = await self._keys.claim(request, key, body)
        if stored:
            await stored.replay()(scope, receive, send)
        else:
            await self._run(request, key, send)

    async def _run(self, request: ApiRequest, key: str, send: Send) -> None:
        response = BufferedResponse()
        await self._app(request.scope, request.receive, response.receive)
        try:
            await self._keys.settle(request.context, request.principal, key, response)
        except CONNECTION_ERRORS as error:
            # What was done is done: a repeat runs again after the lease, under the same command id.
            log.warning("idempotency.response_not_stored", error=repr(error))
        await response.send_to(send)


class IdempotencyKeys:
    """The keys that were used, in Postgres."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def claim(self, request: ApiRequest, key: str, body: bytes) -> StoredResponse | None:
        """Return the stored response for the request, or None if the caller is to run it.

        Raises ApiError if the key was used for another request, or while the same request is still running.
        """
        request_line, context = f"{request.method} {request.scope['path']}", request.context
        fingerprint = fingerprint_of(request_line, request.scope["query_string"], body)
        stored_key = in_space_of(request.principal, key)
        for _ in range(2):  # between the two statements the other run may release the key
            claimed = await self._pool.fetchval(
                CLAIM,
                request.project,
                stored_key,
                fingerprint,
                request_line,
                context.command_id,
                LEASE_SECONDS,
                KEPT_HOURS,
                timeout=TIMEOUT,
            )
            if claimed:
                # Under an id from an earlier run, that run may have sent a command: the key must not be released.
                context.command_sent = claimed != context.command_id
                context.command_id = claimed
                return None
            if existing := await self._pool.fetchrow(FIND, request.project, stored_key, timeout=TIMEOUT):
                return _stored_response(key, existing, fingerprint)
        raise in_use(key, request_line, None, 1)

    async def settle(self, context: RequestContext, caller: Principal, key: str, response: BufferedResponse) -> None:
        """Store a final response. After any other the request may be repeated, under the same command id if it sent
        a command."""
        claim = (caller.project, in_space_of(caller, key), context.command_id)
        if not context.command_sent and response.status >= 400:
            await self._pool.execute(RELEASE, *claim, timeout=TIMEOUT)
        elif response.is_pending or response.status == RATE_LIMITED or response.status >= 500:
            await self._pool.execute(END_LEASE, *claim, timeout=TIMEOUT)
        else:
            await self._pool.execute(
                STORE_RESPONSE, *claim, response.status, response.location, response.body, timeout=TIMEOUT
            )


async def delete_expired(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    await pool.execute(DELETE_EXPIRED)


def valid_key(raw: bytes) -> str:
    """Return the key as text. Raises ApiError if it is not valid."""
    if not 1 <= len(raw) <= MAX_KEY_LENGTH or not all(0x20 <= byte <= 0x7E for byte in raw):
        raise ApiError(400, "BAD_REQUEST", f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters")
    return raw.decode("ascii")


def in_space_of(caller: Principal, key: str) -> str:
    """Return what is stored for the key. Keys have no line breaks, so no two spaces share any."""
    return key if caller.kind == "secret" else f"{caller.key_id}\n{key}"


def fingerprint_of(request_line: str, query: bytes, body: bytes) -> bytes:
    """Return what makes two requests the same: method, path, query and the JSON of the body, in whatever order."""
    # the route rejects invalid JSON, and JSON beyond the limits, which must not be decoded here either
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError, ApiError):
        check_limits(body)
        body = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return sha256(b"\n".join((request_line.encode(), query, body))).digest()


def in_use(key: str, request_line: str, at: datetime | None, retry_after: int) -> ApiError:
    message = "A request with this Idempotency-Key is being processed; repeat it with the same key to get its response"
    headers = {"Retry-After": str(retry_after)}
    return ApiError(409, IN_PROGRESS, message, details=_details(key, request_line, at, None), headers=headers)


def _stored_response(key: str, existing: asyncpg.Record, fingerprint: bytes) -> StoredResponse:
    request_line, at, status = existing["request"], existing["claimed_at"], existing["status"]
    if existing["fingerprint"] != fingerprint:
        message = "This Idempotency-Key was used for another request"
        raise ApiError(409, REUSED, message, details=_details(key, request_line, at, status))
    if status is None:
        raise in_use(key, request_line, at, existing["leased_for"])
    return StoredResponse(status, existing["location"], existing["body"])


def _details(key: str, request_line: str, at: datetime | None, status: int | None) -> dict[str, Any]:
    return {
        "key": key,
        "originalRequest": request_line,
        "originalRequestAt": iso(at) if at else None,
        "originalStatusCode": status,
    }
