"""Pages of a list that fit into one reply."""

from libs.runtime.messaging.bounded_page import MAX_PAGE_BYTES, exceeds_page, fitting
from libs.schemas.base import FieldError


def view(size: int) -> FieldError:
    return FieldError(field="x" * size, message="", code="")


def test_a_page_ends_before_it_is_too_large_for_a_reply() -> None:
    views = [view(MAX_PAGE_BYTES // 2 - 100)] * 3
    assert len(fitting(views)) == 2
    assert exceeds_page(views)
    assert not exceeds_page(fitting(views))


def test_a_page_has_at_least_one_view() -> None:
    assert len(fitting([view(MAX_PAGE_BYTES + 1)] * 2)) == 1
    assert fitting([]) == []
