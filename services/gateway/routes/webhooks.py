"""Where Amazon SNS posts what became of the mails."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec
from litestar import post
from litestar.router import Router

from libs.schemas.base import View
from services.gateway.docs.documentation import described
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.errors import ApiError
from services.gateway.http.raw_response import RawResponse, query_responses
from services.gateway.sns import SnsReceiver, SnsRejected, SubscriptionChanged
from services.gateway.sns.ingest import IngestQueue

MAX_BYTES = 512 * 1024
"""SNS messages have at most 256 KiB of payload, which is JSON within JSON."""


RAW_DELIVERY = b"x-amz-sns-rawdelivery"
UNSIGNED = "Raw message delivery has no signature: switch it off for this subscription, or use it with SQS."


class Taken(View, frozen=True, kw_only=True):
    success: bool


_taken = msgspec.json.encode(Taken(success=True))


Take: TypeAlias = Callable[[bytes], Awaitable[None]]


async def take(receiver: SnsReceiver, intake: IngestQueue, body: bytes) -> None:
    """Returns when what a posted message says is dealt with, and on disk if it is a notification. Raises Problem."""
    try:
        received = await receiver.receive(body)
    except SnsRejected as no:
        raise ApiError(no.status, no.code, no.message) from no
    if not isinstance(received, SubscriptionChanged):
        await intake.take(received)


def webhooks(taker: Take) -> Router:
    """The routes that need no API key, because the signature of each message proves where it comes from."""

    @post(
        "/webhooks/sns",
        status_code=200,
        responses=query_responses(Taken),
        tags=["Webhooks"],
        request_max_body_size=MAX_BYTES,
    )
    async def sns(request: ApiRequest) -> RawResponse:
        """Take a message of Amazon SNS

        Subscribe this address to the topics in `GODWIT_SNS_TOPIC_ARNS`, with SignatureVersion 2. A notification is on
        disk before it is answered with 200.
        """
        if request.context.headers.get(RAW_DELIVERY) == b"true":
            raise ApiError(403, "FORBIDDEN", UNSIGNED)
        await taker(await request.body())
        return RawResponse(_taken)

    return Router(path="/", route_handlers=described([sns]))
