"""Lists that are paged by number."""

from libs.kernel.paging import MAX_PAGE, NumberedPage, numbered_page


def test_a_page_has_an_offset_and_counts_the_pages() -> None:
    page = numbered_page(3, 20)
    assert (page.offset, page.page_count(0), page.page_count(20), page.page_count(21)) == (40, 0, 1, 2)


def test_page_number_and_size_are_clamped() -> None:
    assert numbered_page(0, 0) == NumberedPage(1, 1)
    assert numbered_page(10**9, 10**9) == NumberedPage(MAX_PAGE, 100)
