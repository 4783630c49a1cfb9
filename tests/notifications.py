"""Notifications as SES writes them, modelled on the examples in its documentation."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from libs.kernel.instants import iso

READER = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
BROWSER = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36"
MAILED_AT = datetime(2026, 11, 20, 9, 30, 0, 120_000, tzinfo=UTC)

PARTS: dict[str, dict[str, Any]] = {
    "Send": {},
    "Delivery": {
        "processingTimeMillis": 546,
        "recipients": ["ada@example.com"],
        "smtpResponse": "250 ok: Message accepted",
        "reportingMTA": "a8-70.smtp-out.amazonses.com",
    },
    "Bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "bouncedRecipients": [
            {
                "emailAddress": "ada@example.com",
                "action": "failed",
                "status": "5.1.1",
                "diagnosticCode": "smtp; 550 5.1.1 user unknown",
            }
        ],
        "feedbackId": "0100015-61b59c11",
        "reportingMTA": "dsn; mta.example.com",
    },
    "Complaint": {
        "complainedRecipients": [{"emailAddress": "ada@example.com"}],
        "feedbackId": "0100015-61b59c12",
        "complaintSubType": None,
        "userAgent": "Amazon SES Mailbox Simulator",
        "complaintFeedbackType": "abuse",
        "arrivalDate": "2026-11-20T09:31:00.000Z",
    },
    "Open": {"ipAddress": "192.0.2.1", "userAgent": READER},
    "Click": {
        "ipAddress": "192.0.2.1",
        "userAgent": READER,
        "link": "https://example.com/offers?id=7",
        "linkTags": None,
    },
    "DeliveryDelay": {
        "delayType": "TransientCommunicationFailure",
        "expirationTime": "2026-11-20T21:30:00.000Z",
        "delayedRecipients": [
            {"emailAddress": "ada@example.com", "status": "4.4.1", "diagnosticCode": "smtp; 421 4.4.1 no route"}
        ],
    },
    "Reject": {"reason": "Bad content"},
    "Rendering Failure": {"errorMessage": "Attribute 'name' is not present", "templateName": "welcome"},
    "Subscription": {"contactList": "all", "source": "UnsubscribeHeader"},
}
NAMES = {"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}
WITHOUT_TIME = ("Send", "Reject", "Rendering Failure")


class SentMail(msgspec.Struct, frozen=True):
    """A mail that SES accepted. `after` in its methods is in seconds since then."""

    project: UUID
    email_id: UUID
    contact_id: UUID
    campaign_id: UUID | None = None
    message_id: str = "010001936f0e2c1a-4e1f-000000"

    def tags(self) -> dict[str, str]:
        ids = {
            "godwit_project": self.project,
            "godwit_email": self.email_id,
            "godwit_contact": self.contact_id,
            "godwit_campaign": self.campaign_id,
        }
        return {name: str(value) for name, value in ids.items() if value}

    def published(self, kind: str, after: float = 60.0, **changes: Any) -> dict[str, Any]:
        """Return the notification of event publishing, through the configuration set."""
        tags = {name: [value] for name, value in self.tags().items()}
        mail = self._mail() | {"tags": {"ses:configuration-set": ["godwit"], **tags}}
        return {"eventType": kind, "mail": mail} | _part(kind, after, changes)

    def fed_back(self, kind: str, after: float = 60.0, headers: dict[str, str] | None = None, **changes: Any) -> Any:
        """Return the feedback notification of the identity: no tags, original headers only if it includes them."""
        given = [{"name": name, "value": value} for name, value in (headers or {}).items()]
        mail = self._mail() | ({"headersTruncated": False, "headers": given} if given else {})
        return {"notificationType": kind, "mail": mail} | _part(kind, after, changes)

    def _mail(self) -> dict[str, Any]:
        return {
            "timestamp": iso(MAILED_AT),
            "source": "Café Godwit <hello@example.com>",
            "sendingAccountId": "123456789012",
            "messageId": self.message_id,
            "destination": ["ada@example.com"],
        }


def _part(kind: str, after: float, changes: dict[str, Any]) -> dict[str, Any]:
    time = {} if kind in WITHOUT_TIME else {"timestamp": iso(MAILED_AT + timedelta(seconds=after))}
    return {NAMES.get(kind, kind.lower()): PARTS[kind] | time | changes}


def text(notification: object) -> str:
    return json.dumps(notification)


def some_mail(project: UUID | None = None, message_id: str | None = None) -> SentMail:
    return SentMail(project or uuid4(), uuid4(), uuid4(), message_id=message_id or f"0100-{uuid4()}-000000")
