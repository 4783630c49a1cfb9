"""Requests that carry an Idempotency-Key are done once, however often they are sent.

The first one claims the key; its answer is kept for a day and given again to every repeat. A claim also fixes the id of
the request's command, so that a repeat whose first run died on the way (its lease is over then), or got no final
answer, runs again without anything happening twice.
"""

from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from libs.kernel.instants import iso
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.request_context import RequestContext

log = structlog.get_logger()

LEASE_SECONDS = 30
KEPT_HOURS = 24
MAX_KEY_LENGTH = 255
TIMEOUT = 5.0
STREAMED_BODY = "streamed"
"""The option of a route whose body is too large to be held. Such a route answers itself for what a repeat brings."""

CHANGING = frozenset(("POST", "PUT", "PATCH", "DELETE"))

CLAIM = """
insert into idempotency as known
    (project, key, fingerprint, request, command_id, claimed_at, leased_until, expires_at)
select $1, $2, $3, $4, $5, now, now + make_interval(secs => $6), now + make_interval(hours => $7)
from clock_timestamp() as now
on conflict (project, key) do update set
    fingerprint = excluded.fingerprint,
    request = excluded.request,
    command_id = case when known.expires_at < excluded.claimed_at then excluded.command_id else known.command_id end,
    claimed_at = excluded.claimed_at,
    leased_until = excluded.leased_until,
    expires_at = excluded.expires_at,
    status = null
where known.expires_at < excluded.claimed_at
   or known.status is null and known.leased_until < excluded.claimed_at and known.fingerprint = excluded.fingerprint
returning command_id
"""

FIND = """
select fingerprint, request, claimed_at, status, location, body,
    greatest(1, ceil(extract(epoch from leased_until - clock_timestamp())))::int as leased_for
from idempotency where project = $1 and key = $2
"""

KEEP = """
update idempotency set status = $4, location = $5, body = $6
where project = $1 and key = $2 and command_id = $3 and status is null
"""
GIVE_BACK = "delete from idempotency where project = $1 and key = $2 and command_id = $3 and status is null"
END_LEASE = """
update idempotency set leased_until = clock_timestamp()
where project = $1 and key = $2 and command_id = $3 and status is null
"""
FORGET = "delete from idempotency where expires_at < clock_timestamp()"


class StoredResponse(msgspec.Struct, frozen=True):
    """An answer that is given again."""

    status: int
    location: str | None
    body: bytes

    def answer(self) -> RawResponse:
        location = [(b"location", self.location.encode())] if self.location else []
        return RawResponse(self.body, self.status, headers=[*location, (b"idempotency-replayed", b"true")])


class BufferedResponse(msgspec.Struct):
    """What a route answers, held back until it is kept."""

    start: Any = None
    body: bytes = b""

    async def hold(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
        elif message["type"] == "http.response.body":
            self.body += message["body"]

    @property
    def status(self) -> int:
        status: int = self.start["status"]
        return status

    @property
    def pending(self) -> bool:
        """Whether it only says where the answer will be. A job that is accepted is an answer."""
        return self.status == 202 and self.location is not None

    @property
    def location(self) -> str | None:
        return next((value.decode() for name, value in self.start["headers"] if name == b"location"), None)

    async def send_on(self, send: Send) -> None:
        await send(self.start)
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class IdempotencyMiddleware:
    """Runs a request under its key. Stands behind the gate: keys are a project's own."""

    def __init__(self, app: ASGIApp, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._app = app
        self._claims = IdempotencyKeys(pool)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = ApiRequest(scope, receive, send)
        raw = call.context.headers.get(b"idempotency-key")
        if raw is None or call.method not in CHANGING:
            await self._app(scope, receive, send)
            return
        key = valid_key(raw)
        body = b"" if STREAMED_BODY in scope["route_handler"].opt else await call.body()
        kept = await self._claims.claim(call, key, body)
        if kept:
            await kept.answer()(scope, receive, send)
        else:
            await self._run(call, key, send)

    async def _run(self, call: ApiRequest, key: str, send: Send) -> None:
        held = BufferedResponse()
        await self._app(call.scope, call.receive, held.hold)
        try:
            await self._claims.settle(call.context, call.project, key, held)
        except CONNECTION_ERRORS as broken:
            # what was done is done: a repeat runs again after the lease, under the same command id
            log.warning("idempotency.answer_not_kept", error=repr(broken))
        await held.send_on(send)


class IdempotencyKeys:
    """The keys that were used, in Postgres."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def claim(self, call: ApiRequest, key: str, body: bytes) -> StoredResponse | None:
        """The answer that is kept for this request; or None, and then it is the caller's turn to run it.

        Raises Problem if the key was used for another request, or another run of this one is going on.
        """
        request, context = f"{call.method} {call.scope['path']}", call.context
        fingerprint = fingerprint_of(request, call.scope["query_string"], body)
        for _ in range(2):  # between the two statements the other run may give the key back
            claimed = await self._pool.fetchval(
                CLAIM,
                call.project,
                key,
                fingerprint,
                request,
                context.command_id,
                LEASE_SECONDS,
                KEPT_HOURS,
                timeout=TIMEOUT,
            )
            if claimed:
                # under an id that was there before, a run that died may have asked: the key is not to be given back
                context.command_sent = claimed != context.command_id
                context.command_id = claimed
                return None
            if known := await self._pool.fetchrow(FIND, call.project, key, timeout=TIMEOUT):
                return _kept(key, known, fingerprint)
        raise in_use(key, request, None, 1)

    async def settle(self, context: RequestContext, project: UUID, key: str, held: BufferedResponse) -> None:
        """Keep the answer if it is final; else let the request be sent again, under the same command id if one was
        used."""
        claim = (project, key, context.command_id)
        if not context.command_sent and held.status >= 400:
            await self._pool.execute(GIVE_BACK, *claim, timeout=TIMEOUT)
        elif held.pending or held.status >= 500:
            await self._pool.execute(END_LEASE, *claim, timeout=TIMEOUT)
        else:
            await self._pool.execute(KEEP, *claim, held.status, held.location, held.body, timeout=TIMEOUT)


def valid_key(raw: bytes) -> str:
    """The key as text. Raises Problem if it is not one."""
    if not 1 <= len(raw) <= MAX_KEY_LENGTH or not all(0x20 <= byte <= 0x7E for byte in raw):
        raise ApiError(400, "BAD_REQUEST", f"Idempotency-Key must be 1 to {MAX_KEY_LENGTH} printable ASCII characters")
    return raw.decode("ascii")


def fingerprint_of(request: str, query: bytes, body: bytes) -> bytes:
    """What makes two requests the same: method, path, query, and the JSON of the body in whatever order it came."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # no JSON: the route will refuse it
        body = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return sha256(b"\n".join((request.encode(), query, body))).digest()


def in_use(key: str, request: str, at: datetime | None, retry_after: int) -> ApiError:
    return _reused(
        key,
        request,
        at,
        None,
        "A request with this Idempotency-Key is being processed",
        {"Retry-After": str(retry_after)},
    )


def _kept(key: str, known: asyncpg.Record, fingerprint: bytes) -> StoredResponse:
    request, at, status = known["request"], known["claimed_at"], known["status"]
    if known["fingerprint"] != fingerprint:
        raise _reused(key, request, at, status, "This Idempotency-Key was used for another request", {})
    if status is None:
        raise in_use(key, request, at, known["leased_for"])
    return StoredResponse(status, known["location"], known["body"])


def _reused(
    key: str, request: str, at: datetime | None, status: int | None, message: str, headers: dict[str, str]
) -> ApiError:
    details = {
        "key": key,
        "originalRequest": request,
        "originalRequestAt": iso(at) if at else None,
        "originalStatusCode": status,
    }
    return ApiError(409, "IDEMPOTENCY_KEY_REUSED", message, details=details, headers=headers)
