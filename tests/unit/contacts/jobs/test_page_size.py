"""How much of a job is done at a time."""

from services.contacts.jobs.page_size import (
    BUSY_SECONDS,
    FIRST,
    IDLE_SECONDS,
    MAX,
    MIN,
    AdaptivePageSize,
)

SECONDS_PER_ROW = 0.0001


def after(*pages: tuple[float, bool]) -> int:
    """The length of the page that follows pages of so many seconds, with others about or not."""
    page_size = AdaptivePageSize()
    for seconds, busy in pages:
        page_size.record(seconds, busy=busy)
    return page_size.rows


def settled(seconds_per_row: float, *, busy: bool) -> int:
    page_size = AdaptivePageSize()
    for _ in range(20):
        page_size.record(page_size.rows * seconds_per_row, busy=busy)
    return page_size.rows


def test_a_job_begins_with_a_short_page_and_doubles_it_while_nobody_waits() -> None:
    assert [after(), after((0.01, False)), after((0.01, False), (0.01, False))] == [FIRST, 2 * FIRST, 4 * FIRST]


def test_pages_become_as_long_as_they_may_take() -> None:
    assert abs(settled(SECONDS_PER_ROW, busy=False) * SECONDS_PER_ROW - IDLE_SECONDS) <= SECONDS_PER_ROW
    assert abs(settled(SECONDS_PER_ROW, busy=True) * SECONDS_PER_ROW - BUSY_SECONDS) <= SECONDS_PER_ROW


def test_a_page_is_short_again_as_soon_as_somebody_waits() -> None:
    grown = [(0.01, False)] * 3
    assert after(*grown) == 8 * FIRST
    assert abs(after(*grown, (8 * FIRST * SECONDS_PER_ROW, True)) * SECONDS_PER_ROW - BUSY_SECONDS) <= SECONDS_PER_ROW


def test_however_fast_or_slow_it_is_a_page_is_neither_endless_nor_empty() -> None:
    assert settled(0.0000001, busy=False) == MAX
    assert settled(1.0, busy=True) == MIN
