"""Messages that Amazon SNS posts to us: verified, read, and stored on the bus.

Nothing here knows the HTTP server. The route `/webhooks/sns` uses it like this:

    receiver = receiver_from(settings)                 # once, when the gateway starts

    try:
        received = await receiver.receive(body)        # the raw bytes; SNS posts JSON as text/plain
    except SnsRejected as rejection:
        ...                                            # respond with its status, code and message
    match received:
        case RecordNotification():                     # respond with 200 once it is on disk, else 503
            await queue.store(received)
        case SubscriptionChanged():                    # respond with 200, there is nothing to publish
            ...

The signature of a message is verified before anything else in it is believed or acted on; see `receiver`. SNS tries
again for up to an hour after every response that is not 2xx, so rejecting a genuine message never loses it: 503 and 502
say that it could not be checked. One receiver serves all requests of a process, because it caches the certificates.
"""

from services.gateway.sns.bus_message import ingest_message
from services.gateway.sns.errors import SnsRejected
from services.gateway.sns.ingest import IngestQueue
from services.gateway.sns.receiver import SnsReceiver, SubscriptionChanged, receiver_from

__all__ = ["IngestQueue", "SnsReceiver", "SnsRejected", "SubscriptionChanged", "ingest_message", "receiver_from"]
