"""A project's own sending limits."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from libs.kernel.rejection import Rejected
from libs.schemas.delivery.sending_limits import SendingLimitsSet, SetSendingLimits
from services.delivery.scheduling.fairness import WHOLE, within
from services.delivery.scheduling.progress import AccountState, CampaignQueue, limited, state_of
from services.delivery.scheduling.sending_limits import INITIAL, decide, evolve

NOW = datetime(2026, 11, 21, tzinfo=UTC)
A, B = UUID(int=1), UUID(int=2)


def limit(per_second: float | None = None, **domains: float) -> SetSendingLimits:
    named = {name.replace("_", "."): rate for name, rate in domains.items()}
    return SetSendingLimits(project_id=A, per_second=per_second, domains=named)


def test_new_limits_replace_the_previous_ones_and_the_same_ones_change_nothing() -> None:
    [event] = decide(limit(10, Gmail_com=2), INITIAL, NOW)
    assert event == SendingLimitsSet(project_id=A, per_second=10, domains={"gmail.com": 2})
    limits = evolve(INITIAL, event)
    assert decide(limit(10, gmail_com=2), limits, NOW) == []
    assert decide(limit(), limits, NOW) == [SendingLimitsSet(project_id=A)]


def test_an_invalid_domain_is_rejected_with_its_path() -> None:
    with pytest.raises(Rejected) as rejected:
        decide(SetSendingLimits(project_id=A, domains={"no domain": 1}), INITIAL, NOW)
    assert [error.field for error in rejected.value.errors] == ["domains.no domain"]


def test_too_many_domains_are_rejected() -> None:
    with pytest.raises(Rejected):
        decide(SetSendingLimits(project_id=A, domains={f"d{n}.com": 1 for n in range(101)}), INITIAL, NOW)


def test_a_projects_limit_holds_for_all_its_partitions_together_and_for_no_other_project() -> None:
    wanted = [((A, WHOLE), 5), ((A, "gmail.com"), 5), ((B, WHOLE), 5)]
    assert within(wanted, {(A, WHOLE): 7.9}) == [5, 2, 5]


def test_a_domains_limit_does_not_affect_the_rest_of_its_project() -> None:
    wanted = [((A, "gmail.com"), 5), ((A, WHOLE), 5), ((B, "gmail.com"), 5)]
    assert within(wanted, {(A, "gmail.com"): 2}) == [2, 5, 5]


def test_a_negative_balance_grants_nothing() -> None:
    assert within([((A, WHOLE), 5)], {(A, WHOLE): -3}) == [0]


def test_a_domains_limit_holds_across_lanes() -> None:
    assert within([((A, "gmail.com"), 2), ((A, "gmail.com"), 2)], {(A, "gmail.com"): 3}) == [2, 1]


@pytest.mark.parametrize(
    ("account", "faster"),
    [(AccountState(rate=14.0), "RATE_LIMIT"), (AccountState(rate=14.0, throttled=True), "THROTTLED")],
    ids=["usual", "throttled"],
)
def test_mails_wait_for_the_slowest_limit(account: AccountState, faster: str) -> None:
    def waits_for(partition: str, **limits: float) -> tuple[str | None, str | None, float]:
        queue = CampaignQueue(now=NOW, due_at=NOW, last_at=NOW, arrived=True, partition=partition)
        named = {name.replace("all", WHOLE).replace("_", "."): rate for name, rate in limits.items()}
        state = state_of(*limited(queue, account, named), 1)
        return state.waiting_for, state.detail, state.rate

    assert waits_for(WHOLE, all=20.0) == (faster, None, 14.0)
    assert waits_for(WHOLE, all=5.0, gmail_com=1.0) == ("PROJECT_LIMIT", None, 5.0)
    assert waits_for("gmail.com", all=5.0, gmail_com=1.0) == ("DOMAIN_LIMIT", "gmail.com", 1.0)
