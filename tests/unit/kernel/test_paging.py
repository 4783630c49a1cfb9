"""Pages by number."""

from libs.kernel.paging import MAX_PAGE, NumberedPage, numbered_page


def test_a_page_knows_what_comes_before_it_and_how_many_there_are() -> None:
    page = numbered_page(3, 20)
    assert (page.offset, page.page_count(0), page.page_count(20), page.page_count(21)) == (40, 0, 1, 2)


def test_what_is_beyond_the_possible_is_the_nearest_that_is() -> None:
    assert numbered_page(0, 0) == NumberedPage(1, 1)
    assert numbered_page(10**9, 10**9) == NumberedPage(MAX_PAGE, 100)
