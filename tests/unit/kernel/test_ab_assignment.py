"""The assignment of contacts to A/B tests and variants: stable and fair."""

from collections import Counter
from uuid import UUID, uuid4

import pytest

from libs.kernel.ab_assignment import variant_of

CAMPAIGN = UUID("01932b5e-0000-7000-8000-000000000001")
GOLDEN = ["B", "B", "B", "A", None, None, "A", None, "A", "A", None, None]


def test_the_rule_never_changes() -> None:
    """Campaigns that are being sent during an upgrade rely on it."""
    contacts = [UUID(int=number) for number in range(12)]
    assert [variant_of(CAMPAIGN, contact, ("A", "B"), 50) for contact in contacts] == GOLDEN


@pytest.mark.parametrize("share", [1, 20, 50, 100])
def test_the_share_is_split_evenly_between_the_variants(share: int) -> None:
    contacts = 40_000
    counted = Counter(variant_of(CAMPAIGN, uuid4(), ("A", "B", "C"), share) for _ in range(contacts))
    expected = contacts * share / 100 / 3
    for key in "ABC":
        assert abs(counted[key] - expected) < 6 * expected**0.5
    assert counted.total() - counted[None] == sum(counted[key] for key in "ABC")


def test_a_share_of_100_percent_includes_everybody() -> None:
    assert None not in {variant_of(CAMPAIGN, uuid4(), ("A", "B"), 100) for _ in range(2000)}


def test_another_campaign_assigns_differently() -> None:
    contacts = [uuid4() for _ in range(200)]
    first, second = (
        [variant_of(campaign, each, ("A", "B"), 50) for each in contacts] for campaign in (CAMPAIGN, uuid4())
    )
    assert first != second


def test_a_larger_share_includes_the_contacts_of_a_smaller_one() -> None:
    for contact in (uuid4() for _ in range(500)):
        if variant_of(CAMPAIGN, contact, ("A", "B"), 10):
            assert variant_of(CAMPAIGN, contact, ("A", "B"), 30)
