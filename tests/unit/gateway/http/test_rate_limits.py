"""Which limits a request counts against."""

import pytest

from services.gateway.http.rate_limits import network_of


@pytest.mark.parametrize(
    ("peer", "network"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("2a00:1450:4001:80b::200e", "2a00:1450:4001:80b::/64"),
        ("127.0.0.1", None),
        ("10.1.2.3", None),
        ("fd00::1", None),
        ("unix:", None),
        ("", None),
    ],
)
def test_a_network_is_what_one_customer_has(peer: str, network: str | None) -> None:
    assert network_of(peer) == network
