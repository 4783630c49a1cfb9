"""How fast an SES account lets us send, and which calls may begin when. Pure; what is shared is in bucket.py."""

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

AHEAD = 0.15
"""Seconds for which permits are given out before they come back: the time in which mails are claimed for them. Those
that wait with a sender that is killed are out for two seconds more, so no more of them than that takes."""

RESERVE = 0.1
"""Share of the daily quota that campaigns and workflows leave for transactional mail."""

UNLIMITED = -1.0


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What SES says of the account: mails per second and per 24 hours, and how many went out in the last 24."""

    per_second: float
    per_day: float
    sent_today: float


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`ceiling` mails per second, `left` today, the last `reserve` of them transactional."""

    ceiling: float
    left: float
    reserve: float


UNTIL_KNOWN = Limits(ceiling=1.0, left=math.inf, reserve=0.0)
"""The least that SES gives any account."""


class Back(msgspec.Struct, frozen=True):
    """`n` permits that come back in `ready_in` seconds, at `ready_at`."""

    ready_in: float
    n: int
    ready_at: datetime


class Slots(msgspec.Struct, frozen=True):
    """In how many seconds each call may begin, and whose permits that uses; with none, ask again in `wait` seconds."""

    starts: Sequence[float]
    used: Sequence[tuple[datetime, int]]
    wait: float


def limits(account: Account) -> Limits:
    limited = account.per_day != UNLIMITED
    return Limits(
        ceiling=max(account.per_second, 0.1),
        left=max(0.0, account.per_day - account.sent_today) if limited else math.inf,
        reserve=account.per_day * RESERVE if limited else 0.0,
    )


def circulation(rate: float) -> tuple[int, float]:
    """How many permits there are, and for how many seconds after the answer to a call its permit is out."""
    permits = max(1, math.floor(rate))
    return permits, permits / rate


def slots(permits: int, period: float, out: Sequence[Back], wanted: int) -> Slots:
    """Which calls may begin now and soon, if these permits are out, the first to come back first.

    Small change is not given out while more is wanted: a claim for every single permit would cost more than the mail.
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


def _usable(permits: int, out: Sequence[Back]) -> list[Back]:
    """If more are out than there should be, those that come back first are withdrawn."""
    excess = max(0, sum(back.n for back in out) - permits)
    usable = []
    for back in out:
        withdrawn = min(excess, back.n)
        excess -= withdrawn
        usable.append(Back(back.ready_in, back.n - withdrawn, back.ready_at))
    return usable


def _later(starts: Sequence[float], used: Sequence[tuple[datetime, int]], least: int, following: Back) -> Slots:
    """What is there, if it is enough for a claim; else nothing, until the next one comes near."""
    if len(starts) >= least:
        return Slots(starts, used, 0.0)
    return Slots((), (), max(0.001, following.ready_in - AHEAD))
