"""Pages by number: what `page` and `pageSize` mean, wherever a list has them."""

import msgspec

MAX_PAGE = 1_000_000
MAX_PAGE_SIZE = 100


class NumberedPage(msgspec.Struct, frozen=True):
    """One page of a list: `number` counts from 1."""

    number: int
    size: int

    @property
    def offset(self) -> int:
        """How many items come before the page."""
        return (self.number - 1) * self.size

    def page_count(self, total: int) -> int:
        """How many pages of this size hold all items."""
        return -(-total // self.size)


def numbered_page(page: int, page_size: int) -> NumberedPage:
    """The page that is asked for; beyond what is possible it is the nearest that is."""
    return NumberedPage(min(max(page, 1), MAX_PAGE), min(max(page_size, 1), MAX_PAGE_SIZE))
