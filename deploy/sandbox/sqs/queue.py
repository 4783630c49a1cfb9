"""An SQS queue for boto3: at least once, and a received message is hidden from other receivers for a while.

It implements SQS's JSON protocol for the calls of a consumer. What is in the queue is on disk.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from hashlib import md5
from typing import Any
from uuid import uuid4

import msgspec

from deploy.sandbox.http.asgi import ApiError, Request, Response
from deploy.sandbox.settings import ACCOUNT_ID
from deploy.sandbox.storage.store import Store

NAME = "godwit-sandbox"
TARGET = "AmazonSQS."
POLL_SECONDS = 0.05
MAX_WAIT = 20.0
MAX_AT_ONCE = 10

ADD = "insert into queued (id, body, sent_at, visible_at) values (?, ?, ?, ?)"
DUE = "select seq, id, body, sent_at, receives from queued where visible_at <= ? order by visible_at, seq limit ?"
HIDE = "update queued set visible_at = ?, receives = receives + 1 where seq = ?"
REMOVE = "delete from queued where seq = ?"
PURGE = "delete from queued where seq >= ?"
COUNT = "select count(*) filter (where visible_at <= ?), count(*) filter (where visible_at > ?) from queued"


class ReceiveMessage(msgspec.Struct, rename="pascal"):
    max_number_of_messages: int = 1
    wait_time_seconds: float = 0.0
    visibility_timeout: float = 30.0


class DeleteMessage(msgspec.Struct, rename="pascal"):
    receipt_handle: str
    id: str = ""


class DeleteMessages(msgspec.Struct, rename="pascal"):
    entries: list[DeleteMessage]


class SendMessage(msgspec.Struct, rename="pascal"):
    message_body: str


class Queue:
    """The sandbox's only queue. A receipt handle is the number of its message."""

    def __init__(self, store: Store, url: str) -> None:
        self._store = store
        self.url = f"{url}/{ACCOUNT_ID}/{NAME}"
        self._in_flight: set[int] = set()  # received, but not yet hidden on disk
        self._calls: Mapping[str, Callable[[bytes], Awaitable[dict[str, Any]]]] = {
            "SendMessage": self._send,
            "ReceiveMessage": self._receive,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_batch,
            "GetQueueUrl": self._get_url,
            "GetQueueAttributes": self._attributes,
            "PurgeQueue": self._purge,
        }

    async def add(self, body: str) -> str:
        """Add a message, and return its id once it is on disk."""
        now, message_id = time.time(), str(uuid4())
        await self._store.write((ADD, [(message_id, body, now, now)]))
        return message_id

    async def respond(self, request: Request) -> Response:
        """Execute an SQS call, which `X-Amz-Target` names."""
        action = request.header(b"x-amz-target").removeprefix(TARGET)
        if action not in self._calls:
            raise ApiError(400, "com.amazonaws.sqs#InvalidAction", f"The action {action} is not valid here.")
        try:
            result = await self._calls[action](await request.body())
        except msgspec.MsgspecError as wrong:
            raise ApiError(400, "com.amazonaws.sqs#InvalidParameterValue", str(wrong)) from None
        return Response(msgspec.json.encode(result), content_type=b"application/x-amz-json-1.0")

    async def _send(self, body: bytes) -> dict[str, Any]:
        text = msgspec.json.decode(body, type=SendMessage).message_body
        return {"MessageId": await self.add(text), "MD5OfMessageBody": _digest(text)}

    async def _receive(self, body: bytes) -> dict[str, Any]:
        call = msgspec.json.decode(body, type=ReceiveMessage)
        until = time.monotonic() + min(call.wait_time_seconds, MAX_WAIT)
        while True:
            if messages := await self._take(call):
                return {"Messages": messages}
            if time.monotonic() >= until:
                return {}
            try:
                await asyncio.sleep(POLL_SECONDS)
            except asyncio.CancelledError:  # the sandbox stops: waiting callers get their response now
                return {}

    async def _take(self, call: ReceiveMessage) -> list[dict[str, Any]]:
        now, most = time.time(), min(call.max_number_of_messages, MAX_AT_ONCE)
        rows = self._store.rows(DUE, (now, most + len(self._in_flight)))
        rows = [row for row in rows if row[0] not in self._in_flight][:most]
        if not rows:
            return []
        numbers = [row[0] for row in rows]
        self._in_flight.update(numbers)
        try:
            await self._store.write((HIDE, [(now + call.visibility_timeout, number) for number in numbers]))
        finally:
            self._in_flight.difference_update(numbers)
        return [_shown(*row) for row in rows]

    async def _delete(self, body: bytes) -> dict[str, Any]:
        handle = msgspec.json.decode(body, type=DeleteMessage).receipt_handle
        await self._store.write((REMOVE, [(handle,)]))
        return {}

    async def _delete_batch(self, body: bytes) -> dict[str, Any]:
        entries = msgspec.json.decode(body, type=DeleteMessages).entries
        await self._store.write((REMOVE, [(entry.receipt_handle,) for entry in entries]))
        return {"Successful": [{"Id": entry.id} for entry in entries], "Failed": []}

    async def _get_url(self, _: bytes) -> dict[str, Any]:
        return {"QueueUrl": self.url}

    async def _attributes(self, _: bytes) -> dict[str, Any]:
        now = time.time()
        visible, hidden = self._store.rows(COUNT, (now, now))[0]
        counts = {
            "ApproximateNumberOfMessages": str(visible),
            "ApproximateNumberOfMessagesNotVisible": str(hidden),
        }
        return {"Attributes": counts}

    async def _purge(self, _: bytes) -> dict[str, Any]:
        await self._store.write((PURGE, [(0,)]))
        return {}


class QueueSubscriber:
    """The queue as a subscriber: it replaces the HTTP client of a delivery."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def post(self, body: bytes, _: Mapping[str, str]) -> int:
        await self._queue.add(body.decode())
        return 200

    def close(self) -> None:
        """Do nothing: there is no connection."""


def _shown(seq: int, message_id: str, body: str, sent_at: float, receives: int) -> dict[str, Any]:
    return {
        "MessageId": message_id,
        "ReceiptHandle": str(seq),
        "Body": body,
        "MD5OfBody": _digest(body),
        "Attributes": {
            "SentTimestamp": str(round(sent_at * 1000)),
            "ApproximateReceiveCount": str(receives + 1),
        },
    }


def _digest(text: str) -> str:
    """Return the digest that boto3 compares to detect corruption. It protects no secret."""
    return md5(text.encode(), usedforsecurity=False).hexdigest()
