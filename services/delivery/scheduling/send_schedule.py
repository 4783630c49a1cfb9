"""When the mails of a campaign may go out: so many in an hour, and at certain hours of the day only. Pure."""

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

import msgspec

from libs.kernel.time_zones import zone_of
from libs.schemas.campaigns.campaigns import WEEKDAYS, SendWindow

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BURST = timedelta(seconds=1)
"""What may be made up for at once: mails are claimed some at a time, not each at its moment."""

LONGEST = timedelta(days=3660)
"""How far ahead is looked for the end of a campaign."""

Held = Literal["SEND_RATE", "SEND_WINDOW"]


class Pace(msgspec.Struct, frozen=True):
    """At most `rate` mails in an hour, and only while the window is open; None is no limit."""

    rate: int | None = None
    window: SendWindow | None = None

    @property
    def interval(self) -> timedelta:
        """From one mail to the next."""
        return HOUR / self.rate if self.rate else timedelta(0)


class Meter(msgspec.Struct, frozen=True):
    """`next_at` is when the next mail may go out, `placed_until` the time up to which others wait for theirs."""

    next_at: datetime
    placed_until: datetime


class Place(msgspec.Struct, frozen=True):
    """When a mail is looked at again, and why not before; nothing holds one that may go out now."""

    at: datetime
    held: Held | None = None


def zone_for(window: SendWindow | None, recipients: object, projects: str | None) -> tzinfo:
    """The zone whose clock the window goes by; names that are none are passed over."""
    theirs = zone_of(recipients) if window and window.timezone == "RECIPIENT" else None
    return theirs or zone_of(projects) or UTC


def opening(window: SendWindow, zone: tzinfo, now: datetime) -> datetime:
    """The first moment, from now on, at which the window is open."""
    return next(max(start, now) for start, _ in _spans(window, zone, now))


def admitted(pace: Pace, meter: Meter, now: datetime, wanted: int) -> tuple[int, Meter]:
    """How many of the mails that are wanted may go out now, and the meter after that."""
    if not pace.rate:
        return wanted, meter
    since = max(meter.next_at, now - BURST)
    passed = min(wanted, math.floor((now - since) / pace.interval) + 1) if since <= now else 0
    return passed, msgspec.structs.replace(meter, next_at=since + passed * pace.interval) if passed else meter


def place(pace: Pace, meter: Meter, zone: tzinfo, now: datetime) -> tuple[Place, Meter]:
    """When the next in line is to be looked at, if its reader is in this zone, and the meter after that.

    It is no promise: a mail is held to the rate and the window when it is claimed. It spreads mails, so that not all
    of them are claimed again and again.
    """
    at = max(meter.placed_until, meter.next_at, now) if pace.rate else now
    opens = opening(pace.window, zone, at) if pace.window else at
    if opens > at:
        return Place(opens, "SEND_WINDOW"), meter
    return Place(at, "SEND_RATE" if at > now else None), msgspec.structs.replace(meter, placed_until=at + pace.interval)


def finish(pace: Pace, zone: tzinfo, now: datetime, mails: int, per_second: float) -> datetime | None:
    """When so many mails will be out, if SES takes so many in a second; None if that cannot be told."""
    rate = min(per_second, pace.rate / HOUR.total_seconds()) if pace.rate else per_second
    if rate <= 0 or mails / rate > LONGEST.total_seconds():
        return None
    left = timedelta(seconds=mails / rate)
    if not pace.window:
        return now + left
    for start, end in _spans(pace.window, zone, now):
        begins = max(start, now)
        if begins + left <= end:
            return begins + left
        left -= end - begins
        if begins - now > LONGEST:
            return None
    return None


def _spans(window: SendWindow, zone: tzinfo, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """From when until when the window is open, in order, as far as it has not passed."""
    start, end = time.fromisoformat(window.start), time.fromisoformat(window.end)
    day = now.astimezone(zone).date() - 2 * DAY
    while day < date.max - 2 * DAY:
        opens = _instant(day, start, zone)
        closes = _instant(day if start < end else day + DAY, end, zone)
        if WEEKDAYS[day.weekday()] in window.days and closes > max(opens, now):
            yield opens, closes
        day += DAY


def _instant(day: date, clock: time, zone: tzinfo) -> datetime:
    """When clocks show this. Where they are put forward over it, as long after the change as it was to be; where they
    show it twice, the first time (as RFC 5545 reads it)."""
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)
