"""The settings: invalid ones are rejected at the start."""

import pytest

from libs.runtime.process.settings import BadSettings, load, require_own_link_key

GOOD = {"DATABASE_URL": "postgresql://x"}


def test_names_are_field_names_with_a_prefix() -> None:
    settings = load({**GOOD, "GODWIT_HTTP_PORT": "9000", "NATS_URL": "nats://here", "PATH": "/bin"})
    assert (settings.http_port, settings.nats_url) == (9000, "nats://here")


def test_an_unknown_name_is_rejected() -> None:
    with pytest.raises(BadSettings, match="GODWIT_HTPP_PORT"):
        load({**GOOD, "GODWIT_HTPP_PORT": "9000"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GODWIT_HTTP_PORT", "0"),
        ("GODWIT_HTTP_PORT", "x"),
        ("GODWIT_RETRY_DELAYS", "1,soon"),
        ("GODWIT_LINK_KEY", "a"),
        ("GODWIT_LINK_KEY", "k" * 32 + ",short"),
    ],
)
def test_an_invalid_value_is_rejected(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match="bad setting"):
        load({**GOOD, name: value})


def test_a_missing_database_url_is_rejected() -> None:
    with pytest.raises(BadSettings, match="database_url"):
        load({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GODWIT_HOST", "0.0.0.0"),
        ("GODWIT_HOST", "10.0.0.7"),
        ("GODWIT_PUBLIC_URL", "https://mail.example.com"),
        ("GODWIT_PUBLIC_URL", "http://127.0.0.1.example.com"),
    ],
)
def test_the_development_link_key_is_refused_where_others_reach_the_gateway(name: str, value: str) -> None:
    with pytest.raises(BadSettings, match="GODWIT_LINK_KEY"):
        require_own_link_key(load({**GOOD, name: value}))
    require_own_link_key(load({**GOOD, name: value, "GODWIT_LINK_KEY": "k" * 32}))


def test_the_development_link_key_is_accepted_on_loopback() -> None:
    require_own_link_key(load(GOOD))
    require_own_link_key(load({**GOOD, "GODWIT_HOST": "::1", "GODWIT_PUBLIC_URL": "http://localhost:8000"}))
