"""How fast an SES account may be used, and when each call may begin."""

import math
from datetime import UTC, datetime, timedelta

from services.delivery.scheduling.rate import AHEAD, ReturningPermits, circulation, limits, slots
from services.delivery.ses.account import SendQuota

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def back(ready_in: float, n: int = 1) -> ReturningPermits:
    return ReturningPermits(ready_in, n, NOW + timedelta(seconds=ready_in))


def test_a_tenth_of_the_daily_quota_is_reserved_for_transactional_mail() -> None:
    found = limits(SendQuota(per_second=14, per_day=50_000, sent_today=20_000))
    assert (found.ceiling, found.left, found.reserve) == (14, 30_000, 5_000)


def test_an_account_without_a_daily_quota_is_unlimited() -> None:
    found = limits(SendQuota(per_second=14, per_day=-1, sent_today=20_000))
    assert (found.left, found.reserve) == (math.inf, 0)


def test_exceeding_the_daily_quota_leaves_nothing() -> None:
    assert limits(SendQuota(per_second=14, per_day=200, sent_today=300)).left == 0


def test_there_are_as_many_permits_as_ses_allows_calls_per_second() -> None:
    assert circulation(14.0) == (14, 1.0)
    assert circulation(0.5) == (1, 2.0)
    assert circulation(1.5) == (1, 1 / 1.5)


def test_permits_in_the_pool_are_valid_at_once() -> None:
    found = slots(10, 1.0, [back(0.5, 4)], 20)
    assert found.starts == [0.0] * 6
    assert slots(10, 1.0, [], 3).starts == [0.0] * 3


def test_permits_that_return_soon_are_granted_for_that_moment() -> None:
    found = slots(3, 1.0, [back(0.05), back(AHEAD, 2)], 2)
    assert found.starts == [0.05, AHEAD]
    assert [n for _, n in found.used] == [1, 1]


def test_when_all_permits_are_out_the_wait_ends_shortly_before_the_first_returns() -> None:
    found = slots(2, 1.0, [back(0.6), back(0.8)], 5)
    assert (found.starts, round(found.wait, 3)) == ((), round(0.6 - AHEAD, 3))


def test_very_few_permits_are_not_granted_while_more_are_wanted() -> None:
    some_out = [back(0.01), back(0.02), *(back(0.3) for _ in range(98))]
    assert slots(100, 1.0, some_out, 50).starts == ()
    assert slots(100, 1.0, some_out, 2).starts == [0.01, 0.02]


def test_excess_permits_are_withdrawn_when_they_return() -> None:
    assert slots(2, 1.0, [back(0.01, 3), back(0.02, 1)], 2).starts == [0.01, 0.02]
    assert slots(2, 1.0, [back(0.01, 3), back(0.9, 2)], 2).starts == ()


def test_no_permits_are_granted_if_none_are_wanted() -> None:
    assert slots(2, 1.0, [back(0.9, 2)], 0).starts == []
