"""Authentication: a request names its project by an API key, and is counted against the rate limits of its caller."""

from litestar.types import ASGIApp, Receive, Scope, Send

from services.gateway.accounts.failed_logins import FailedLogins
from services.gateway.accounts.keys import Keys, Principal
from services.gateway.http.errors import RETRY_SECONDS, ApiError
from services.gateway.http.limits import RateLimitState, Slots
from services.gateway.http.rate_limits import RateLimits
from services.gateway.http.request_context import context_of

ALLOWS_PUBLIC_KEY = "allows_public_key"
"""The option of a route that public keys may call as well."""

NEEDS_NO_KEY = "needs_no_key"
"""The option of a route that is called without an API key."""

NO_HEADER = "Authorization header is required"
NOT_BEARER = 'Authorization header must use Bearer token format: "Authorization: Bearer YOUR_API_KEY"'
NO_KEY = "API key is required in Authorization header"
BAD_PUBLIC = "Invalid public API key. Ensure you are using a public key (pk_*) for this endpoint."
BAD_SECRET = "Invalid secret API key. This endpoint requires a secret key (sk_*), not a public key."  # noqa: S105 - no secret


class Authentication:
    """Middleware that puts the caller into the request context. Raises ApiError for a caller without a valid key."""

    def __init__(self, app: ASGIApp, keys: Keys, limits: RateLimits, slots: Slots) -> None:
        self._app = app
        self._keys = keys
        self._limits = limits
        self._slots = slots
        self._failed_logins = FailedLogins("http")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        allows_public_key = ALLOWS_PUBLIC_KEY in scope["route_handler"].opt
        try:
            key = bearer_key(context.headers.get(b"authorization"))
            context.principal = caller = await self._caller(key, allows_public_key)
        except ApiError as error:
            self._failed_logins.note(error.code.lower(), scope.get("client"))
            raise
        state = self._limits.take(caller, scope["client"][0] if scope["client"] else "")
        if state:
            context.response_headers += state.headers()
        require_room(state)
        owner = caller.project if caller.kind == "secret" else caller.key_id
        if not self._slots.take(owner):
            raise rate_limited(RETRY_SECONDS)
        try:
            await self._app(scope, receive, send)
        finally:
            self._slots.release(owner)

    async def _caller(self, key: bytes, allows_public_key: bool) -> Principal:
        principal = await self._keys.principal_of(key)
        if principal and (allows_public_key or principal.kind == "secret"):
            return principal
        message = BAD_PUBLIC if allows_public_key and not key.startswith(b"sk_") else BAD_SECRET
        raise ApiError(401, "INVALID_API_KEY", message, headers={"WWW-Authenticate": "Bearer"})


def bearer_key(authorization: bytes | None) -> bytes:
    """Return the key in an Authorization header. The scheme may have any case (RFC 9110, section 11.1).

    Raises ApiError if there is none.
    """
    if authorization is None:
        raise _unauthenticated(NO_HEADER)
    scheme, _, key = authorization.partition(b" ")
    if scheme.lower() != b"bearer" or (key and b" " in key.strip()):
        raise _unauthenticated(NOT_BEARER)
    if not key.strip():
        raise _unauthenticated(NO_KEY)
    return key.strip()


def require_room(state: RateLimitState | None) -> None:
    """Raise ApiError if the request was one too many for its limit."""
    if state and not state.allowed:
        raise rate_limited(state.next_in)


def rate_limited(retry_after: int, message: str = "Too many requests") -> ApiError:
    return ApiError(
        429,
        "RATE_LIMIT_EXCEEDED",
        message,
        details={"retryAfter": retry_after},
        headers={"Retry-After": str(retry_after)},
    )


def _unauthenticated(message: str) -> ApiError:
    return ApiError(401, "MISSING_AUTH", message, headers={"WWW-Authenticate": "Bearer"})
