"""Settings are read once, and whatever is wrong with them stops the start."""

import pytest

from libs.runtime.process.settings import BadSettings, load

GOOD = {"DATABASE_URL": "postgresql://x"}


def test_names_are_the_fields_with_the_prefix() -> None:
    settings = load({**GOOD, "GODWIT_HTTP_PORT": "9000", "NATS_URL": "nats://here", "PATH": "/bin"})
    assert (settings.http_port, settings.nats_url) == (9000, "nats://here")


def test_an_unknown_name_is_refused_by_its_name() -> None:
    with pytest.raises(BadSettings, match="GODWIT_HTPP_PORT"):
        load({**GOOD, "GODWIT_HTPP_PORT": "9000"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("GODWIT_HTTP_PORT", "0"), ("GODWIT_HTTP_PORT", "x"), ("GODWIT_RETRY_DELAYS", "1,soon"), ("GODWIT_LINK_KEY", "a")],
)
def test_a_bad_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match="bad setting"):
        load({**GOOD, name: value})


def test_a_missing_database_is_refused() -> None:
    with pytest.raises(BadSettings, match="database_url"):
        load({})
