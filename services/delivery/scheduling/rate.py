"""How fast an SES account may be used, and when each call may begin. Pure; `permit_pool` stores what is shared."""

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

from services.delivery.ses.account import SendQuota

AHEAD = 0.15
"""How many seconds before its return a permit is granted, which is the time it takes to claim a mail for it. If the
sender is killed, the permits granted to it stay out for two more seconds, so there should be few of them."""

RESERVE = 0.1
"""The share of the daily quota that is reserved for transactional mail."""

UNLIMITED = -1.0


class AccountLimits(msgspec.Struct, frozen=True, kw_only=True):
    """At most `ceiling` mails per second and `left` more today, of which the last `reserve` are transactional."""

    ceiling: float
    left: float
    reserve: float


UNTIL_KNOWN = AccountLimits(ceiling=1.0, left=math.inf, reserve=0.0)
"""The least that SES grants any account."""


class ReturningPermits(msgspec.Struct, frozen=True):
    """`n` permits that return in `ready_in` seconds, at `ready_at`."""

    ready_in: float
    n: int
    ready_at: datetime


class Slots(msgspec.Struct, frozen=True):
    """When each call may begin, in seconds from now, and the permits it uses. If there are none, `wait` seconds."""

    starts: Sequence[float]
    used: Sequence[tuple[datetime, int]]
    wait: float


def limits(quota: SendQuota) -> AccountLimits:
    """Return the limits that follow from what SES says of the account."""
    limited = quota.per_day != UNLIMITED
    return AccountLimits(
        ceiling=max(quota.per_second, 0.1),
        left=max(0.0, quota.per_day - quota.sent_today) if limited else math.inf,
        reserve=quota.per_day * RESERVE if limited else 0.0,
    )


def circulation(rate: float) -> tuple[int, float]:
    """Return the number of permits, and for how many seconds after the response a permit stays out."""
    permits = max(1, math.floor(rate))
    return permits, permits / rate


def slots(permits: int, period: float, out: Sequence[ReturningPermits], wanted: int) -> Slots:
    """Return which calls may begin now and soon, while the permits in `out` are out, in the order of their return.

    Very few permits are not granted while more are wanted: a claim for a single permit would cost more than the mail.
    """
    least = min(wanted, max(1, math.floor(permits / period * AHEAD / 2)))
    coming = [back for back in _usable(permits, out) if back.n]
    starts = [0.0] * max(0, min(wanted, permits - sum(back.n for back in out)))
    used: list[tuple[datetime, int]] = []
    for back in coming:
        taken = min(back.n, wanted - len(starts))
        if not taken:
            break
        if back.ready_in > AHEAD:
            return _later(starts, used, least, back)
        starts += [back.ready_in] * taken
        used.append((back.ready_at, taken))
    return Slots(starts, used, 0.0)


def _usable(permits: int, out: Sequence[ReturningPermits]) -> list[ReturningPermits]:
    """Return the permits that may be granted again; if too many are out, those that return first are withdrawn."""
    excess = max(0, sum(back.n for back in out) - permits)
    usable = []
    for back in out:
        withdrawn = min(excess, back.n)
        excess -= withdrawn
        usable.append(ReturningPermits(back.ready_in, back.n - withdrawn, back.ready_at))
    return usable


def _later(
    starts: Sequence[float], used: Sequence[tuple[datetime, int]], least: int, following: ReturningPermits
) -> Slots:
    """Return the slots found so far if they are enough for a claim; otherwise none, until the next permit is near."""
    if len(starts) >= least:
        return Slots(starts, used, 0.0)
    return Slots((), (), max(0.001, following.ready_in - AHEAD))
