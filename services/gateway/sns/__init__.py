"""Messages that Amazon SNS posts to us: whether to believe them, and what they say.

Knows nothing of HTTP servers and of the bus. The route `/webhooks/sns` calls it like this:

    receiver = receiver_from(settings)                 # once, when the gateway starts

    try:
        received = await receiver.receive(body)        # the raw bytes; SNS posts JSON as text/plain
    except SnsRejected as no:
        ...                                            # answer no.status with no.code and no.message
    match received:
        case RecordNotification():                     # publish it; answer 200 after JetStream's ack, else 503
            message = ingest_message([received])           # or several that arrived together
        case SubscriptionChanged():                              # answer 200, there is nothing to publish
            ...

Every message is proved by its signature before any other part of it is believed or acted on; see `receiver`.
SNS tries again after every answer that is not 2xx (for at most an hour), so a refusal never loses a true message that
was only unlucky: 503 and 502 say that it was not its fault. One receiver serves all requests of a process: it keeps
the certificates.
"""

from services.gateway.sns.bus_message import ingest_message
from services.gateway.sns.errors import SnsRejected
from services.gateway.sns.receiver import SnsReceiver, SubscriptionChanged, receiver_from

__all__ = ["SnsReceiver", "SnsRejected", "SubscriptionChanged", "ingest_message", "receiver_from"]
