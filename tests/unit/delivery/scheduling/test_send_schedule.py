"""When the mails of a campaign may be sent."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from libs.schemas.campaigns.campaigns import WEEKDAYS, SendWindow, Weekday
from services.delivery.scheduling.send_schedule import (
    BURST,
    HOUR,
    DueTime,
    RateMeter,
    SendSchedule,
    admit,
    estimated_end,
    next_due,
    opening,
    zone_for,
)

BERLIN, NEW_YORK, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")
OFFICE = SendWindow(start="09:00", end="18:00")
WORKDAYS: tuple[Weekday, ...] = ("MON", "TUE", "WED", "THU", "FRI")
NIGHT = SendWindow(start="22:00", end="06:00")
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday

clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(
    lambda start, end, days: SendWindow(start=start, end=end, days=tuple(days)),
    clocks,
    clocks,
    st.lists(st.sampled_from(WEEKDAYS), min_size=1, max_size=7, unique=True),
).filter(lambda window: window.start != window.end)
zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"]).map(
    ZoneInfo
)
moments = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def is_open(window: SendWindow, zone: ZoneInfo, moment: datetime) -> bool:
    return opening(window, zone, moment) == moment


def test_an_open_window_opens_now() -> None:
    assert opening(OFFICE, BERLIN, NOW) == NOW


def test_a_window_opens_by_the_clock_of_the_zone() -> None:
    assert opening(OFFICE, NEW_YORK, NOW) == at("2026-11-20T09:00-05:00")
    assert opening(OFFICE, BERLIN, at("2026-11-20T18:00+01:00")) == at("2026-11-21T09:00+01:00")


def test_a_window_of_workdays_opens_on_monday() -> None:
    workdays = SendWindow(start="09:00", end="18:00", days=WORKDAYS)
    assert opening(workdays, BERLIN, at("2026-11-20T18:00+01:00")) == at("2026-11-23T09:00+01:00")


def test_a_window_across_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    friday = SendWindow(start="22:00", end="06:00", days=("FRI",))
    assert is_open(friday, BERLIN, at("2026-11-21T05:59+01:00"))
    assert opening(friday, BERLIN, at("2026-11-21T06:00+01:00")) == at("2026-11-27T22:00+01:00")


def test_a_window_keeps_its_local_hours_when_clocks_change() -> None:
    assert opening(OFFICE, BERLIN, at("2026-03-28T20:00+01:00")) == at("2026-03-29T09:00+02:00")
    assert opening(OFFICE, BERLIN, at("2026-10-24T20:00+02:00")) == at("2026-10-25T09:00+01:00")


def test_a_window_in_a_skipped_hour_opens_with_the_offset_before_the_change() -> None:
    early = SendWindow(start="02:30", end="08:00")
    assert opening(early, BERLIN, at("2026-03-29T01:59+01:00")) == at("2026-03-29T03:30+02:00")


def test_a_window_in_a_repeated_hour_opens_the_first_time() -> None:
    early = SendWindow(start="02:30", end="08:00")
    assert opening(early, BERLIN, at("2026-10-25T01:00+02:00")) == at("2026-10-25T02:30+02:00")


@given(windows, zones, moments)
def test_a_window_opens_within_eight_days_and_not_before_its_opening(
    window: SendWindow, zone: ZoneInfo, now: datetime
) -> None:
    opens = opening(window, zone, now)
    assert now <= opens <= now + timedelta(days=8 if len(window.days) > 1 else 15)
    assert is_open(window, zone, opens)
    for part in range(8):
        between = now + (opens - now) * part / 8
        assert not is_open(window, zone, between) or opens == now


@given(windows, zones, moments)
def test_a_window_follows_the_local_clock_on_days_without_a_clock_change(
    window: SendWindow, zone: ZoneInfo, now: datetime
) -> None:
    local = now.astimezone(zone)
    offsets = {(local + timedelta(days=days)).utcoffset() for days in (-2, -1, 0, 1, 2)}
    if len(offsets) > 1:
        return
    clock, today, before = local.strftime("%H:%M"), WEEKDAYS[local.weekday()], WEEKDAYS[local.weekday() - 1]
    if window.start < window.end:
        expected = today in window.days and window.start <= clock < window.end
    else:
        expected = (today in window.days and clock >= window.start) or (before in window.days and clock < window.end)
    assert is_open(window, zone, now) == expected


def test_the_recipients_zone_wins_unless_the_window_uses_the_projects() -> None:
    assert zone_for(OFFICE, "America/New_York", "Europe/Berlin") == NEW_YORK
    assert (
        zone_for(SendWindow(start="09:00", end="18:00", timezone="PROJECT"), "America/New_York", "Europe/Berlin")
        == BERLIN
    )


def test_unknown_zones_are_ignored() -> None:
    for wrong in (None, "", "Mars/Olympus", "../../etc/passwd", "Europe", "/etc/localtime", 7, "x" * 10_000, "a\0b"):
        assert zone_for(OFFICE, wrong, "Europe/Berlin") == BERLIN
    assert zone_for(OFFICE, None, None) == UTC


@given(
    st.integers(1, 1_000_000),
    st.lists(st.tuples(st.floats(0, 7200), st.integers(0, 5000)), min_size=1, max_size=60),
)
def test_no_hour_exceeds_the_rate_however_mails_are_claimed(rate: int, claims: list[tuple[float, int]]) -> None:
    """The rate may be exceeded by the burst of one second, and by one mail."""
    schedule, meter, now = SendSchedule(rate), RateMeter(NOW, NOW), NOW
    sent: list[tuple[datetime, int]] = []
    for pause, wanted in claims:
        now += timedelta(seconds=pause)
        admitted, meter = admit(schedule, meter, now, wanted)
        assert 0 <= admitted <= wanted
        sent.append((now, admitted))
    for start, _ in sent:
        within = sum(admitted for moment, admitted in sent if start <= moment < start + HOUR)
        assert within <= rate + rate * (BURST / HOUR) + 1


def test_frequent_claims_use_the_whole_rate() -> None:
    schedule, meter, sent = SendSchedule(7200), RateMeter(NOW, NOW), 0
    for tick in range(4 * 3600):
        admitted, meter = admit(schedule, meter, NOW + timedelta(seconds=tick / 4), 100)
        sent += admitted
    assert 7198 <= sent <= 7203


def test_without_a_rate_all_mails_are_admitted() -> None:
    assert admit(SendSchedule(), RateMeter(NOW, NOW), NOW, 500) == (500, RateMeter(NOW, NOW))


def test_due_times_follow_one_another() -> None:
    schedule, meter, due_times = SendSchedule(60), RateMeter(NOW, NOW), []
    for _ in range(3):
        due, meter = next_due(schedule, meter, UTC, NOW)
        due_times.append(due)
    minute = timedelta(minutes=1)
    assert due_times == [DueTime(NOW), DueTime(NOW + minute, "SEND_RATE"), DueTime(NOW + 2 * minute, "SEND_RATE")]


def test_a_recipient_whose_window_is_closed_takes_nobodys_turn() -> None:
    schedule, meter = SendSchedule(60, OFFICE), RateMeter(NOW, NOW)
    due, after = next_due(schedule, meter, NEW_YORK, NOW)
    assert (due, after) == (DueTime(at("2026-11-20T09:00-05:00"), "SEND_WINDOW"), meter)
    assert next_due(schedule, after, BERLIN, NOW)[0] == DueTime(NOW)


def test_due_times_after_the_window_closes_are_on_the_next_day() -> None:
    late = RateMeter(NOW, at("2026-11-20T18:30+01:00"))
    assert next_due(SendSchedule(60, OFFICE), late, BERLIN, NOW)[0] == DueTime(
        at("2026-11-21T09:00+01:00"), "SEND_WINDOW"
    )


def test_the_slower_of_both_rates_determines_the_end() -> None:
    assert estimated_end(SendSchedule(3600), UTC, NOW, 100, 14) == NOW + timedelta(seconds=100)
    assert estimated_end(SendSchedule(360_000), UTC, NOW, 140, 14) == NOW + timedelta(seconds=10)


def test_the_end_skips_the_hours_outside_the_window() -> None:
    assert estimated_end(SendSchedule(1000, OFFICE), BERLIN, at("2026-11-20T17:00+01:00"), 2000, 14) == at(
        "2026-11-21T10:00+01:00"
    )
    assert estimated_end(SendSchedule(None, OFFICE), BERLIN, at("2026-11-20T20:00+01:00"), 3600, 1) == at(
        "2026-11-21T10:00+01:00"
    )


def test_an_end_that_is_ten_years_away_or_never_is_unknown() -> None:
    assert estimated_end(SendSchedule(None, OFFICE), BERLIN, NOW, 10, 0.0) is None
    assert estimated_end(SendSchedule(1), UTC, NOW, 1_000_000, 14) is None
    assert estimated_end(SendSchedule(1000, SendWindow(start="09:00", end="09:01")), UTC, NOW, 1_000_000, 14) is None


def test_every_weekday_has_its_name() -> None:
    days = Counter(WEEKDAYS[(NOW + timedelta(days=day)).weekday()] for day in range(7))
    assert days == Counter(WEEKDAYS)
    assert WEEKDAYS[NOW.weekday()] == "FRI"
