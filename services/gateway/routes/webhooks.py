"""The webhook to which Amazon SNS posts notifications about mails."""

import msgspec
from litestar import post

from libs.schemas.base import View
from services.gateway.http.api_request import ApiRequest
from services.gateway.http.auth import NEEDS_NO_KEY
from services.gateway.http.errors import ApiError
from services.gateway.http.raw_response import RawResponse
from services.gateway.http.response_docs import query_responses
from services.gateway.sns import IngestQueue, SnsReceiver, SnsRejected, SubscriptionChanged

MAX_BYTES = 512 * 1024
"""An SNS message has at most 256 KiB of payload, which is JSON within JSON."""

RAW_DELIVERY = b"x-amz-sns-rawdelivery"
UNSIGNED = "Raw message delivery has no signature: turn it off for this subscription, or use it with SQS."


class Taken(View, frozen=True, kw_only=True):
    success: bool


_taken = msgspec.json.encode(Taken(success=True))


@post(
    "/webhooks/sns",
    status_code=200,
    responses=query_responses(Taken),
    tags=["Webhooks"],
    opt={NEEDS_NO_KEY: True},
    request_max_body_size=MAX_BYTES,
)
async def sns(request: ApiRequest) -> RawResponse:
    """Receive a message from Amazon SNS

    Subscribe this address to the topics in `GODWIT_SNS_TOPIC_ARNS`, with SignatureVersion 2. The signature of the
    message replaces the API key. A notification is on disk before the response is 200.
    """
    if request.context.headers.get(RAW_DELIVERY) == b"true":
        raise ApiError(403, "FORBIDDEN", UNSIGNED)
    receiver: SnsReceiver = request.app.state.sns_receiver
    try:
        received = await receiver.receive(await request.body())
    except SnsRejected as rejection:
        raise ApiError(rejection.status, rejection.code, rejection.message) from rejection
    if not isinstance(received, SubscriptionChanged):
        queue: IngestQueue = request.app.state.ingest_queue
        await queue.store(received)
    return RawResponse(_taken)
