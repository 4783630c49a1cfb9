"""What an SES account lets us do."""

import math

import pytest

from services.delivery.rate import Account, limits


@pytest.mark.parametrize("per_second", [14.0, 100.0, 1000.0])
def test_ceiling_and_burst_together_stay_under_the_accounts_rate(per_second: float) -> None:
    found = limits(Account(per_second=per_second, per_day=50_000, sent_today=0))
    assert found.ceiling + found.burst <= per_second + 0.5


def test_a_tenth_of_the_daily_quota_is_kept_for_transactional_mail() -> None:
    found = limits(Account(per_second=14, per_day=50_000, sent_today=20_000))
    assert (found.left, found.reserve) == (30_000, 5_000)


def test_an_account_without_a_daily_quota_has_no_end() -> None:
    found = limits(Account(per_second=14, per_day=-1, sent_today=20_000))
    assert (found.left, found.reserve) == (math.inf, 0)


def test_what_was_sent_beyond_the_quota_leaves_nothing() -> None:
    assert limits(Account(per_second=14, per_day=200, sent_today=300)).left == 0
