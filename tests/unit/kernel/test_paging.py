"""Pages by number."""

from libs.kernel.paging import MAX_PAGE, Window, window


def test_a_page_knows_what_comes_before_it_and_how_many_there_are() -> None:
    page = window(3, 20)
    assert (page.offset, page.pages(0), page.pages(20), page.pages(21)) == (40, 0, 1, 2)


def test_what_is_beyond_the_possible_is_the_nearest_that_is() -> None:
    assert window(0, 0) == Window(1, 1)
    assert window(10**9, 10**9) == Window(MAX_PAGE, 100)
