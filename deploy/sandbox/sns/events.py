"""SES event-publishing records: what SES reports about a message, in its documented format."""

import random
import zlib
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from deploy.sandbox.mailbox.ledger import Message
from deploy.sandbox.mailbox.links import clickable_links
from deploy.sandbox.mailbox.mail import (
    Headers,
    read_headers,
    read_mail,
    value_of,
)
from deploy.sandbox.mailbox.outcomes import (
    AUTOMATIC_REPLY,
    SUPPRESSED,
    UNKNOWN_USER,
    EventType,
)
from deploy.sandbox.ses.drafts import bare_address
from deploy.sandbox.settings import ACCOUNT_ID
from deploy.sandbox.timestamps import iso

SUBJECT = "Amazon SES Email Event Notification"
READER_IP = "192.0.2.44"
READER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
DIAGNOSTICS = {
    UNKNOWN_USER: ("5.1.1", "smtp; 550 5.1.1 user unknown"),
    SUPPRESSED: ("5.1.1", "Amazon SES did not send the message to this address because it is on the suppression list."),
    AUTOMATIC_REPLY: ("4.0.0", "smtp; 250 automatic reply: out of the office"),
}

Record = dict[str, object]


class Event(msgspec.Struct, frozen=True):
    """An outcome to report now. `at` is when it happened; an empty recipient stands for all recipients."""

    kind: EventType
    at: float
    recipient: str = ""
    detail: str = ""


def event_id(message: Message, event: Event) -> UUID:
    """Return the id of an event, always the same: a repeated notification has the same id, as in SNS."""
    return uuid5(NAMESPACE_URL, f"{message.id}/{event.kind}/{event.recipient}/{event.detail}")


def event_record(message: Message, event: Event, region: str) -> Record | None:
    """Return the record of an event, or None if the message makes it impossible: no HTML to open, no link to click."""
    happened = _event_record(message, event)
    if happened is None:
        return None
    name = event.kind[0].lower() + event.kind[1:]
    return {"eventType": event.kind, "mail": _mail_record(message, region), name: happened}


def _event_record(message: Message, event: Event) -> Record | None:
    match event.kind:
        case "Send":
            return {}
        case "Delivery":
            return _delivery(message, event)
        case "Bounce":
            return _bounce(message, event)
        case "Complaint":
            return _complaint(message, event)
        case "Open":
            return _open(message, event)
        case "Click":
            return _click(message, event)
        case "DeliveryDelay":
            return _delivery_delay(event)
        case "Reject":
            return {"reason": "Bad content"}


def _mail_record(message: Message, region: str) -> msgspec.Raw:
    """Return the part that all records of a message share. It is cached while the message is in memory."""
    if message.mail_record is None:
        message.mail_record = msgspec.Raw(msgspec.json.encode(_mail(message, region)))
    return message.mail_record


def _mail(message: Message, region: str) -> Record:
    headers = read_headers(message)
    source = value_of(headers, "from") or message.sender
    return {
        "timestamp": iso(message.accepted_at),
        "source": source,
        "sourceArn": f"arn:aws:ses:{region}:{ACCOUNT_ID}:identity/{_domain_of(source)}",
        "sendingAccountId": ACCOUNT_ID,
        "messageId": message.id,
        "destination": message.recipients,
        "headersTruncated": False,
        "headers": [{"name": name, "value": value} for name, value in headers],
        "commonHeaders": _common_headers(headers),
        "tags": _tags(message, source),
    }


def _common_headers(headers: Headers) -> Record:
    common: Record = {}
    for field, name in (("from", "from"), ("replyTo", "reply-to"), ("to", "to"), ("cc", "cc")):
        if value := value_of(headers, name):
            common[field] = [item.strip() for item in value.split(",")]
    for field, name in (("date", "date"), ("messageId", "message-id"), ("subject", "subject")):
        if value := value_of(headers, name):
            common[field] = value
    return common


def _tags(message: Message, source: str) -> dict[str, list[str]]:
    tags = {
        "ses:source-ip": ["127.0.0.1"],
        "ses:from-domain": [_domain_of(source)],
        "ses:caller-identity": ["sandbox"],
    }
    if message.configuration_set:
        tags["ses:configuration-set"] = [message.configuration_set]
    return tags | {name: [value] for name, value in message.tags.items()}


def _domain_of(source: str) -> str:
    return bare_address(source).rpartition("@")[2]


def _delivery(message: Message, event: Event) -> Record:
    return {
        "timestamp": iso(event.at),
        "processingTimeMillis": round((event.at - message.accepted_at) * 1000),
        "recipients": [event.recipient],
        "smtpResponse": "250 2.0.0 OK accepted by the sandbox",
        "remoteMtaIp": "127.0.0.1",
        "reportingMTA": "sandbox.amazonses.com",
    }


def _bounce(message: Message, event: Event) -> Record:
    kind, _, subtype = event.detail.partition("/")
    status, diagnostic = DIAGNOSTICS[event.detail]
    return {
        "feedbackId": _feedback_id(message, event),
        "bounceType": kind,
        "bounceSubType": subtype,
        "bouncedRecipients": [
            {
                "emailAddress": event.recipient,
                "action": "failed",
                "status": status,
                "diagnosticCode": diagnostic,
            }
        ],
        "timestamp": iso(event.at),
        "reportingMTA": "dns; sandbox.amazonses.com",
    }


def _complaint(message: Message, event: Event) -> Record:
    return {
        "feedbackId": _feedback_id(message, event),
        "complaintSubType": None,
        "complainedRecipients": [{"emailAddress": event.recipient}],
        "timestamp": iso(event.at),
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": iso(event.at),
    }


def _feedback_id(message: Message, event: Event) -> str:
    return f"{message.id[:16]}-{event_id(message, event)}-000000"


def _open(message: Message, event: Event) -> Record | None:
    if not read_mail(message).html:
        return None
    return {"timestamp": iso(event.at), "ipAddress": READER_IP, "userAgent": READER}


def _click(message: Message, event: Event) -> Record | None:
    links = clickable_links(read_mail(message))
    if not links:
        return None
    chosen = random.Random(zlib.crc32(f"{message.id}{event.recipient}".encode())).choice(links)  # noqa: S311 - repeatable
    return {
        "timestamp": iso(event.at),
        "ipAddress": READER_IP,
        "userAgent": READER,
        "link": chosen,
        "linkTags": None,
    }


def _delivery_delay(event: Event) -> Record:
    return {
        "timestamp": iso(event.at),
        "delayType": "TransientCommunicationFailure",
        "expirationTime": iso(event.at + 12 * 3600),
        "delayedRecipients": [
            {
                "emailAddress": event.recipient,
                "status": "4.4.1",
                "diagnosticCode": "smtp; 421 4.4.1 Unable to connect to remote host",
            }
        ],
    }
