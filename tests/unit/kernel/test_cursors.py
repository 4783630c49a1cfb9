"""Cursors of lists that are ordered by time."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from libs.kernel.cursors import decode_cursor, encode_cursor
from libs.kernel.rejection import Rejected

NOW = datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)


def test_a_cursor_decodes_to_its_position() -> None:
    identity = uuid4()
    assert decode_cursor(encode_cursor(NOW, identity)) == (NOW, identity)


@pytest.mark.parametrize("cursor", ["x", "äöü", "AAAA", str(UUID(int=1)), "_" * 32])
def test_an_invalid_cursor_is_rejected(cursor: str) -> None:
    with pytest.raises(Rejected) as rejected:
        decode_cursor(cursor)
    assert rejected.value.errors[0].field == "cursor"
