"""The meaning of `page` and `pageSize` in every list that is paged by number."""

import msgspec

MAX_PAGE = 1_000_000
MAX_PAGE_SIZE = 100


class NumberedPage(msgspec.Struct, frozen=True):
    """One page of a list. `number` counts from 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """The number of items before the page."""
        return (self.number - 1) * self.size

    def page_count(self, total: int) -> int:
        """Return the number of pages that `total` items fill."""
        return -(-total // self.size)


def numbered_page(page: int, page_size: int) -> NumberedPage:
    """Return the requested page, with its number and size clamped to the allowed range."""
    return NumberedPage(min(max(page, 1), MAX_PAGE), min(max(page_size, 1), MAX_PAGE_SIZE))
