"""The secrets of a data directory."""

from pathlib import Path

import pytest

from deploy.embedded import keys
from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import Layout

SECRET, PUBLIC = keys.BOOTSTRAP


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
    given = {SECRET: "sk_mine", PUBLIC: "pk_mine"}
    chosen, new = keys.obtain(layout, given)
    assert (chosen[SECRET], chosen[PUBLIC], new) == ("sk_mine", "pk_mine", {})
    assert "sk_mine" not in layout.secrets.read_text()


def test_the_link_key_is_generated_whether_or_not_the_others_are_given(tmp_path: Path) -> None:
    chosen, _ = keys.obtain(Layout.create(tmp_path), {SECRET: "sk_mine", PUBLIC: "pk_mine"})
    assert len(chosen[keys.LINK_KEY]) == 64


def test_a_damaged_file_is_not_overwritten(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    layout.secrets.write_text("{half a fi")
    with pytest.raises(CannotStart, match="repair or remove it"):
        keys.obtain(layout, {})
    assert layout.secrets.read_text() == "{half a fi"
