"""How much of a job is done at a time."""

from services.contacts.jobs.page_size import (
    ALONE,
    AMONG_OTHERS,
    FIRST,
    LEAST,
    MOST,
    Pace,
)

A_ROW = 0.0001


def after(*pages: tuple[float, bool]) -> int:
    """The length of the page that follows pages of so many seconds, with others about or not."""
    pace = Pace()
    for seconds, others in pages:
        pace.took(seconds, others=others)
    return pace.rows


def settled(seconds_a_row: float, *, others: bool) -> int:
    pace = Pace()
    for _ in range(20):
        pace.took(pace.rows * seconds_a_row, others=others)
    return pace.rows


def test_a_job_begins_with_a_short_page_and_doubles_it_while_nobody_waits() -> None:
    assert [after(), after((0.01, False)), after((0.01, False), (0.01, False))] == [FIRST, 2 * FIRST, 4 * FIRST]


def test_pages_become_as_long_as_they_may_take() -> None:
    assert abs(settled(A_ROW, others=False) * A_ROW - ALONE) <= A_ROW
    assert abs(settled(A_ROW, others=True) * A_ROW - AMONG_OTHERS) <= A_ROW


def test_a_page_is_short_again_as_soon_as_somebody_waits() -> None:
    grown = [(0.01, False)] * 3
    assert after(*grown) == 8 * FIRST
    assert abs(after(*grown, (8 * FIRST * A_ROW, True)) * A_ROW - AMONG_OTHERS) <= A_ROW


def test_however_fast_or_slow_it_is_a_page_is_neither_endless_nor_empty() -> None:
    assert settled(0.0000001, others=False) == MOST
    assert settled(1.0, others=True) == LEAST
