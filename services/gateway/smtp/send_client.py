"""Calls `/v1/send` of this process's own HTTP application, as a client would but without a network in between."""

import asyncio
from typing import Any

import msgspec
from litestar.types import ASGIApp

from services.gateway.mails.header_recipients import EXTENSION, HeaderRecipients
from services.gateway.smtp.replies import is_final

PATH = "/v1/send"
MAX_WAIT_SECONDS = 25.0
RETRY_SECONDS = 1.0


class SendClient:
    """Sends messages by `POST /v1/send`, through the whole application with its authentication and limits."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def send(
        self, api_key: str, idempotency_key: str, body: dict[str, Any], header_recipients: HeaderRecipients
    ) -> tuple[int, bytes]:
        """Return the status and the body of the response. Repeats the request until the response is final, for at most
        MAX_WAIT_SECONDS."""
        loop = asyncio.get_running_loop()
        deadline, text = loop.time() + MAX_WAIT_SECONDS, msgspec.json.encode(body)
        while True:
            status, response = await self._post(api_key, idempotency_key, text, header_recipients)
            if is_final(status, response) or loop.time() > deadline:
                return status, response
            await asyncio.sleep(RETRY_SECONDS)

    async def _post(
        self, api_key: str, idempotency_key: str, body: bytes, header_recipients: HeaderRecipients
    ) -> tuple[int, bytes]:
        headers = {
            "authorization": f"Bearer {api_key}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "idempotency-key": idempotency_key,
        }
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 0),
            "server": ("smtp", None),
            "extensions": {EXTENSION: header_recipients},
        }
        cycle = _AsgiCycle(body)
        app: Any = self._app  # the scope is a plain dict, as servers make it
        await app(scope, cycle.receive, cycle.send)
        return cycle.status, cycle.response


class _AsgiCycle:
    """One request and its response, as ASGI messages."""

    def __init__(self, body: bytes) -> None:
        self._requests: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
        self._chunks: list[bytes] = []
        self.status = 500

    @property
    def response(self) -> bytes:
        return b"".join(self._chunks)

    async def receive(self) -> dict[str, Any]:
        return self._requests.pop() if self._requests else {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._chunks.append(message.get("body", b""))
