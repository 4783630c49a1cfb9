"""Who may come in: every request behind the gate names its project by an API key, and goes no faster than it may."""

from litestar.types import ASGIApp, Receive, Scope, Send

from services.gateway.accounts.keys import Keys, Principal
from services.gateway.http.errors import ApiError
from services.gateway.http.limits import RateLimiter
from services.gateway.http.request_context import context_of

ALLOWS_PUBLIC_KEY = "also_public"
"""The option of a route that public keys may call too."""

NO_HEADER = "Authorization header is required"
NOT_BEARER = 'Authorization header must use Bearer token format: "Authorization: Bearer YOUR_API_KEY"'
NO_KEY = "API key is required in Authorization header"
BAD_PUBLIC = "Invalid public API key. Ensure you are using a public key (pk_*) for this endpoint."
BAD_SECRET = "Invalid secret API key. This endpoint requires a secret key (sk_*), not a public key."  # noqa: S105 - no secret


class Authentication:
    """Puts the caller into the exchange, or raises Problem."""

    def __init__(self, app: ASGIApp, keys: Keys, limiter: RateLimiter | None) -> None:
        self._app = app
        self._keys = keys
        self._limiter = limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        context = context_of(scope)
        also_public = ALLOWS_PUBLIC_KEY in scope["route_handler"].opt
        key = bearer_key(context.headers.get(b"authorization"))
        context.principal = caller = await self._caller(key, also_public)
        if self._limiter:
            allowance = self._limiter.take(caller.project)
            context.response_headers += allowance.headers()
            if not allowance.allowed:
                raise rate_limited(allowance.next_in)
        await self._app(scope, receive, send)

    async def _caller(self, key: bytes, also_public: bool) -> Principal:
        principal = await self._keys.principal_of(key)
        if principal and (also_public or principal.kind == "secret"):
            return principal
        message = BAD_PUBLIC if also_public and not key.startswith(b"sk_") else BAD_SECRET
        raise ApiError(401, "INVALID_API_KEY", message, headers={"WWW-Authenticate": "Bearer"})


def bearer_key(authorization: bytes | None) -> bytes:
    """The key in an Authorization header. Raises Problem if there is none."""
    if authorization is None:
        raise _unauthenticated(NO_HEADER)
    scheme, _, key = authorization.partition(b" ")
    if scheme != b"Bearer" or (key and b" " in key.strip()):
        raise _unauthenticated(NOT_BEARER)
    if not key.strip():
        raise _unauthenticated(NO_KEY)
    return key.strip()


def rate_limited(retry_after: int) -> ApiError:
    return ApiError(
        429,
        "RATE_LIMIT_EXCEEDED",
        "Too many requests",
        details={"retryAfter": retry_after},
        headers={"Retry-After": str(retry_after)},
    )


def _unauthenticated(message: str) -> ApiError:
    return ApiError(401, "MISSING_AUTH", message, headers={"WWW-Authenticate": "Bearer"})
