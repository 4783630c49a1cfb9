"""What a call to SES can end in, and which error means which. Pure.

SES has no idempotency token, so the one question is whether it may have taken the mail. Only an answer that says no, or
a connection that was never made, is a no. Everything else is unknown, and is settled by a notification or by policy.
"""

import msgspec


class Sent(msgspec.Struct, frozen=True):
    """SES took the mail."""

    message_id: str
    subject: str


class Throttled(msgspec.Struct, frozen=True):
    """Not taken: too fast, or `daily`, too many today. Nothing is wrong with the mail."""

    daily: bool = False


class NotTaken(msgspec.Struct, frozen=True):
    """Not taken, for a reason that passes: the account, the credentials, the network, or a claim given back."""

    code: str
    at_once: bool = False


class Refused(msgspec.Struct, frozen=True):
    """Not taken, and never will be: something is wrong with this mail."""

    code: str
    reason: str


class Unknown(msgspec.Struct, frozen=True):
    """Taken or not: there was no answer that says."""

    cause: str


Outcome = Sent | Throttled | NotTaken | Refused | Unknown

GIVEN_BACK = NotTaken("CLAIM_TOO_OLD", at_once=True)

TOO_FAST = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling", "TooManyRequests"})
BAD_MAIL = frozenset(
    {"MessageRejected", "BadRequestException", "ValidationException", "RequestEntityTooLargeException"}
)
DAILY = "daily message quota"


def of_error(status: int, code: str, message: str) -> Outcome:
    """What an error that SES answered means: its HTTP status, its type and its text."""
    if not 400 <= status < 500:
        return Unknown(f"{code or 'HTTP'} {status}")
    if DAILY in message.lower():
        return Throttled(daily=True)
    if code in TOO_FAST or status == 429:
        return Throttled()
    if code in BAD_MAIL:
        return Refused(code, message)
    return NotTaken(code or f"HTTP {status}")
