"""The secrets of a data directory."""

from pathlib import Path
from secrets import token_hex

import pytest

from deploy.embedded import keys
from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout

SECRET, PUBLIC = keys.BOOTSTRAP
GIVEN = {SECRET: "sk_" + token_hex(24), PUBLIC: "pk_" + token_hex(32)}


def test_keys_are_generated_once_and_kept(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    first, new = keys.obtain(layout, {})
    assert new.keys() == {SECRET, PUBLIC}
    assert first[SECRET].startswith("sk_")
    assert first[PUBLIC].startswith("pk_")
    assert keys.obtain(layout, {}) == (first, {})
    assert layout.secrets.stat().st_mode & 0o777 == 0o600


def test_given_keys_win_and_are_not_stored(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    chosen, new = keys.obtain(layout, GIVEN)
    assert (chosen[SECRET], chosen[PUBLIC], new) == (*GIVEN.values(), {})
    assert GIVEN[SECRET] not in layout.secrets.read_text()


def test_a_weak_key_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="GODWIT_BOOTSTRAP_SECRET_KEY must have at least 32 characters"):
        keys.obtain(Layout.create(tmp_path), {SECRET: "sk_mine"})


def test_the_link_key_is_generated_whether_or_not_the_others_are_given(tmp_path: Path) -> None:
    chosen, _ = keys.obtain(Layout.create(tmp_path), GIVEN)
    assert len(chosen[keys.LINK_KEY]) == 64


def test_a_damaged_file_is_not_overwritten(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    layout.secrets.write_text("{half a fi")
    with pytest.raises(CannotStart, match="repair or remove it"):
        keys.obtain(layout, {})
    assert layout.secrets.read_text() == "{half a fi"
