"""How fast an SES account lets us send. Pure; the bucket itself is a row that all replicas share (bucket.py)."""

import math

import msgspec

CEILING = 0.95
"""Share of SES's rate that we use at most: it counts by its own clock, a little differently."""

BURST = 0.04
"""What may go out at once, in seconds' worth of SES's rate. Ceiling and burst together stay under it in any second."""

RESERVE = 0.1
"""Share of the daily quota that campaigns and workflows leave for transactional mail."""

UNLIMITED = -1.0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What SES says of the account: mails per second and per 24 hours, and how many went out in the last 24."""

    per_second: float
    per_day: float
    sent_today: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`ceiling` mails per second, `burst` of them at once, `left` today, the last `reserve` of them transactional."""

    ceiling: float
    burst: float
    left: float
    reserve: float


UNTIL_KNOWN = Limits(ceiling=1.0, burst=1.0, left=math.inf, reserve=0.0)
"""The least that SES gives any account."""


def limits(account: Account) -> Limits:
    limited = account.per_day != UNLIMITED
    return Limits(
        ceiling=max(account.per_second * CEILING, 0.1),
        burst=max(1.0, account.per_second * BURST),
        left=max(0.0, account.per_day - account.sent_today) if limited else math.inf,
        reserve=account.per_day * RESERVE if limited else 0.0,
    )
