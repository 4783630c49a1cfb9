"""The possible outcomes of a SendEmail call, and which SES error means which. Pure.

SES has no idempotency token, so what matters is whether it may have accepted the mail. It has not if it said so, or if
the connection was never made. Everything else is unknown and is settled later, by a notification or by policy.
"""

import msgspec


class Sent(msgspec.Struct, frozen=True):
    """SES accepted the mail."""

    message_id: str
    subject: str


class Throttled(msgspec.Struct, frozen=True):
    """Not accepted because of the rate, or (`daily`) of the daily quota. Nothing is wrong with the mail."""

    daily: bool = False


class NotTaken(msgspec.Struct, frozen=True):
    """Not accepted for a temporary reason: the account, the credentials, the network, or a claim given back.

    `at_once` means that the mail can be claimed again without a pause.
    """

    code: str
    at_once: bool = False


class MailRejected(msgspec.Struct, frozen=True):
    """Not accepted, and never will be: something is wrong with this mail."""

    code: str
    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """SES may or may not have accepted the mail."""

    cause: str


Outcome = Sent | Throttled | NotTaken | MailRejected | Unknown

GIVEN_BACK = NotTaken("CLAIM_TOO_OLD", at_once=True)

TOO_FAST = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "TooManyRequests"})
BAD_MAIL = frozenset(
    {"MessageRejected", "BadRequestException", "ValidationException", "RequestEntityTooLargeException"}
)
DAILY = "daily message quota"


def of_error(status: int, code: str, message: str) -> Outcome:
    """Return the outcome for an error response, given its HTTP status, error code and text."""
    if not 400 <= status < 500:
        return Unknown(f"{code or 'HTTP'} {status}")
    if DAILY in message.lower():
        return Throttled(daily=True)
    if code in TOO_FAST or status == 429:
        return Throttled()
    if code in BAD_MAIL:
        return MailRejected(code, message)
    return NotTaken(code or f"HTTP {status}")
