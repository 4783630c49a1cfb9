"""The history of a mail for people: each event about it as a sentence. Pure."""

from datetime import datetime
from typing import Any

from libs.kernel.instants import iso
from libs.schemas.delivery.emails import SuppressionReason, TimelineEntry

DETAILS = ("attempt", "messageId", "cause", "code", "reason", "resolved", "by")
"""The fields of an event that are shown beside its sentence; none is personal, because the log encrypts those."""

SUPPRESSED: dict[SuppressionReason, str] = {
    "unsubscribed": "Not sent: the recipient is not subscribed",
    "bounced": "Not sent: an earlier mail to this address bounced permanently",
    "complained": "Not sent: the recipient complained about an earlier mail",
    "erased": "Not sent: the recipient's data was erased",
    "listed": "Not sent: the address is on the suppression list",
    "rule": "Not sent: a suppression rule matches the address",
    "capped": "Not sent: events tracked with public keys had enough mails sent to this contact today",
}


def entry(kind: str, at: datetime, event: dict[str, Any]) -> TimelineEntry:
    """Return the entry for an event of this type, recorded at this time, with the fields that it has in the log."""
    details = {name: event[name] for name in DETAILS if event.get(name) is not None}
    return TimelineEntry(at=iso(at), type_=kind, message=_sentence(kind, event), details=details)


def _sentence(kind: str, event: dict[str, Any]) -> str:
    attempt = event.get("attempt")
    match kind:
        case "email.queued":
            return "Queued"
        case "email.sent" if event.get("resolved"):
            return "Accepted by Amazon SES: the response to our call was lost, but a notification proved it"
        case "email.sent":
            return f"Accepted by Amazon SES (attempt {attempt})"
        case "email.unresolved":
            return f"No response to attempt {attempt} ({event['cause']}): Amazon SES may or may not have accepted it"
        case "email.requeued" if event.get("by") == "operator":
            return f"Queued again as attempt {attempt} at an operator's request"
        case "email.requeued":
            return f"Queued again as attempt {attempt}: notifications arrived, but none for this mail"
        case "email.failed":
            return f"Failed: {event['reason']}"
        case "email.suppressed":
            return SUPPRESSED[event["reason"]]
        case "email.cancelled":
            return "Cancelled before it was sent"
        case _:
            return kind
