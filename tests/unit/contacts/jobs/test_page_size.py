"""The size of a job's pages."""

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
    """Return the size of the page that follows pages of these durations, with or without commands around them."""
    page_size = AdaptivePageSize()
    for seconds, busy in pages:
        page_size.record(seconds, busy=busy)
    return page_size.rows


def settled(seconds_per_row: float, *, busy: bool) -> int:
    page_size = AdaptivePageSize()
    for _ in range(20):
        page_size.record(page_size.rows * seconds_per_row, busy=busy)
    return page_size.rows


def test_a_job_starts_with_a_small_page_and_doubles_it_while_idle() -> None:
    assert [after(), after((0.01, False)), after((0.01, False), (0.01, False))] == [FIRST, 2 * FIRST, 4 * FIRST]


def test_pages_grow_until_they_take_the_target_time() -> None:
    assert abs(settled(SECONDS_PER_ROW, busy=False) * SECONDS_PER_ROW - IDLE_SECONDS) <= SECONDS_PER_ROW
    assert abs(settled(SECONDS_PER_ROW, busy=True) * SECONDS_PER_ROW - BUSY_SECONDS) <= SECONDS_PER_ROW


def test_pages_shrink_as_soon_as_commands_come_in() -> None:
    grown = [(0.01, False)] * 3
    assert after(*grown) == 8 * FIRST
    assert abs(after(*grown, (8 * FIRST * SECONDS_PER_ROW, True)) * SECONDS_PER_ROW - BUSY_SECONDS) <= SECONDS_PER_ROW


def test_the_size_of_a_page_has_a_minimum_and_a_maximum() -> None:
    assert settled(0.0000001, busy=False) == MAX
    assert settled(1.0, busy=True) == MIN
