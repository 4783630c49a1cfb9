"""A mail's life, told to people: each fact about it as a sentence. Pure."""

from datetime import datetime
from typing import Any

from libs.kernel.instants import iso
from libs.schemas.delivery.emails import SuppressionReason, TimelineEntry

DETAILS = ("attempt", "messageId", "cause", "code", "reason", "resolved", "by")
"""What is told of a fact beside its sentence; nothing that is personal, which the log keeps under lock."""

SUPPRESSED: dict[SuppressionReason, str] = {
    "unsubscribed": "Not sent: the recipient is not subscribed",
    "bounced": "Not sent: the address bounced for good before",
    "complained": "Not sent: the recipient complained about an earlier mail",
    "erased": "Not sent: the recipient's data was erased",
    "listed": "Not sent: the address is on the suppression list",
    "rule": "Not sent: a suppression rule matches the address",
}


def entry(kind: str, at: datetime, fact: dict[str, Any]) -> TimelineEntry:
    """The fact of this type, recorded then, as delivery's log holds it."""
    details = {name: fact[name] for name in DETAILS if fact.get(name) is not None}
    return TimelineEntry(at=iso(at), type_=kind, message=_sentence(kind, fact), details=details)


def _sentence(kind: str, fact: dict[str, Any]) -> str:
    attempt = fact.get("attempt")
    match kind:
        case "email.queued":
            return "Queued"
        case "email.sent" if fact.get("resolved"):
            return "Amazon SES has it: a notification proved what the lost answer to our call did not tell"
        case "email.sent":
            return f"Amazon SES accepted it (attempt {attempt})"
        case "email.unresolved":
            return f"No answer to attempt {attempt} ({fact['cause']}): Amazon SES may have it, or not"
        case "email.requeued" if fact.get("by") == "operator":
            return f"Sent once more, as attempt {attempt}, because an operator asked for it"
        case "email.requeued":
            return f"No notification proved it sent while others came in: sent once more, as attempt {attempt}"
        case "email.failed":
            return f"Given up: {fact['reason']}"
        case "email.suppressed":
            return SUPPRESSED[fact["reason"]]
        case "email.cancelled":
            return "Cancelled before it was sent"
        case _:
            return kind
