"""When the mails of a campaign may be sent: at a maximum rate per hour, and only in a daily window. Pure."""

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
"""How much unused time may be made up for at once: mails are claimed in batches, not each at its own moment."""

MAX_DURATION = timedelta(days=3660)
"""A campaign that would take longer has no estimated end."""

HeldBy = Literal["SEND_RATE", "SEND_WINDOW"]


class SendSchedule(msgspec.Struct, frozen=True):
    """At most `rate` mails per hour, and only while the window is open; None means no limit."""

    rate: int | None = None
    window: SendWindow | None = None

    @property
    def interval(self) -> timedelta:
        """The time from one mail to the next."""
        return HOUR / self.rate if self.rate else timedelta(0)


class RateMeter(msgspec.Struct, frozen=True):
    """`next_at` is when the next mail may be sent; queued mails have due times up to `placed_until`."""

    next_at: datetime
    placed_until: datetime


class DueTime(msgspec.Struct, frozen=True):
    """When a mail is looked at again, and what holds it until then; None if it may be sent now."""

    at: datetime
    held_by: HeldBy | None = None


def zone_for(window: SendWindow | None, recipient_zone: object, project_zone: str | None) -> tzinfo:
    """Return the time zone that the window refers to; unknown zone names are ignored."""
    own = zone_of(recipient_zone) if window and window.timezone == "RECIPIENT" else None
    return own or zone_of(project_zone) or UTC


def opening(window: SendWindow, zone: tzinfo, now: datetime) -> datetime:
    """Return the first moment from now on at which the window is open."""
    return next(max(start, now) for start, _ in _spans(window, zone, now))


def admit(schedule: SendSchedule, meter: RateMeter, now: datetime, wanted: int) -> tuple[int, RateMeter]:
    """Return how many of the wanted mails the rate allows now, and the meter after they are sent."""
    if not schedule.rate:
        return wanted, meter
    since = max(meter.next_at, now - BURST)
    admitted = min(wanted, math.floor((now - since) / schedule.interval) + 1) if since <= now else 0
    return admitted, msgspec.structs.replace(meter, next_at=since + admitted * schedule.interval) if admitted else meter


def next_due(schedule: SendSchedule, meter: RateMeter, zone: tzinfo, now: datetime) -> tuple[DueTime, RateMeter]:
    """Return when to look at the next mail, whose recipient is in this zone, and the meter after that.

    This is no promise: the claim enforces rate and window. It spreads the mails over time, so that the sender does not
    claim all of them again and again.
    """
    at = max(meter.placed_until, meter.next_at, now) if schedule.rate else now
    opens = opening(schedule.window, zone, at) if schedule.window else at
    if opens > at:
        return DueTime(opens, "SEND_WINDOW"), meter
    due = DueTime(at, "SEND_RATE" if at > now else None)
    return due, msgspec.structs.replace(meter, placed_until=at + schedule.interval)


def estimated_end(
    schedule: SendSchedule, zone: tzinfo, now: datetime, mails: int, per_second: float
) -> datetime | None:
    """Return when this many mails will be sent if SES accepts `per_second`; None if there is no sensible estimate."""
    rate = min(per_second, schedule.rate / HOUR.total_seconds()) if schedule.rate else per_second
    if rate <= 0 or mails / rate > MAX_DURATION.total_seconds():
        return None
    left = timedelta(seconds=mails / rate)
    if not schedule.window:
        return now + left
    for start, end in _spans(schedule.window, zone, now):
        begins = max(start, now)
        if begins + left <= end:
            return begins + left
        left -= end - begins
        if begins - now > MAX_DURATION:
            return None
    return None


def _spans(window: SendWindow, zone: tzinfo, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the start and end of each opening of the window, in order, without those that are over."""
    start, end = time.fromisoformat(window.start), time.fromisoformat(window.end)
    day = now.astimezone(zone).date() - 2 * DAY
    while day < date.max - 2 * DAY:
        opens = _instant(day, start, zone)
        closes = _instant(day if start < end else day + DAY, end, zone)
        if WEEKDAYS[day.weekday()] in window.days and closes > max(opens, now):
            yield opens, closes
        day += DAY


def _instant(day: date, clock: time, zone: tzinfo) -> datetime:
    """Return when clocks in the zone show this time.

    As in RFC 5545, a time that clocks skip is read with the offset before the change, and a time that they show twice
    is the first one.
    """
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)
