"""Asking this process's own HTTP application, as a client would, but without a network between."""

import asyncio
from typing import Any

import msgspec
from litestar.types import ASGIApp

from services.gateway.mails.header_recipients import EXTENSION, HeaderRecipients
from services.gateway.smtp.replies import is_final

PATH = "/v1/send"
PATIENCE = 25.0
AGAIN_SECONDS = 1.0


class SendClient:
    """Where messages are handed in: `POST /v1/send` with everything that stands before it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def send(
        self, api_key: str, idempotency_key: str, body: dict[str, Any], named: HeaderRecipients
    ) -> tuple[int, bytes]:
        """The status and the body of the answer. Asks until it is final, for at most PATIENCE."""
        loop = asyncio.get_running_loop()
        deadline, text = loop.time() + PATIENCE, msgspec.json.encode(body)
        while True:
            status, answer = await self._post(api_key, idempotency_key, text, named)
            if is_final(status, answer) or loop.time() > deadline:
                return status, answer
            await asyncio.sleep(AGAIN_SECONDS)

    async def _post(
        self, api_key: str, idempotency_key: str, body: bytes, named: HeaderRecipients
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
            "extensions": {EXTENSION: named},
        }
        exchange = _Exchange(body)
        app: Any = self._app  # the scope is a plain dict, as servers make it
        await app(scope, exchange.receive, exchange.send)
        return exchange.status, exchange.answer


class _Exchange:
    """One request and its answer, in ASGI's messages."""

    def __init__(self, body: bytes) -> None:
        self._requests: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]
        self._chunks: list[bytes] = []
        self.status = 500

    @property
    def answer(self) -> bytes:
        return b"".join(self._chunks)

    async def receive(self) -> dict[str, Any]:
        return self._requests.pop() if self._requests else {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._chunks.append(message.get("body", b""))
