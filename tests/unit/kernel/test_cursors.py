"""The place of a contact in a listing, as clients carry it."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from libs.kernel.cursors import decode_cursor, encode_cursor
from libs.kernel.rejection import Rejected

NOW = datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


def test_a_cursor_leads_back_to_its_place() -> None:
    identity = uuid4()
    assert decode_cursor(encode_cursor(NOW, identity)) == (NOW, identity)


@pytest.mark.parametrize("cursor", ["x", "äöü", "AAAA", str(UUID(int=1)), "_" * 32])
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(Rejected) as no:
        decode_cursor(cursor)
    assert no.value.errors[0].field == "cursor"
