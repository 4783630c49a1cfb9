"""How permits are shared."""

from collections import Counter
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.delivery.scheduling.fairness import CAMPAIGN, TRANSACTIONAL, WORKFLOW, DueMails, Share, allot, fair

A, B, C = (UUID(int=n) for n in (1, 2, 3))

PROJECTS = st.integers(1, 6).map(lambda n: UUID(int=n))
DUE = st.dictionaries(st.tuples(st.integers(0, 2), PROJECTS), st.integers(1, 500)).map(
    lambda found: [DueMails(lane, project, count) for (lane, project), count in found.items()]
)


def by_lane(shares: list[Share]) -> dict[int, int]:
    totals: Counter[int] = Counter()
    for share in shares:
        totals[share.lane] += share.quota
    return dict(totals)


@given(DUE, st.integers(0, 300), st.integers(0, 300), st.integers(0, 1000))
def test_shares_never_exceed_the_permits_or_the_demand(due: list[DueMails], permits: int, bulk: int, turn: int) -> None:
    shares = allot(due, permits, bulk, turn)
    wanted = {(w.lane, w.project): w.count for w in due}
    assert sum(share.quota for share in shares) <= permits
    assert all(0 < share.quota <= wanted[share.lane, share.project] for share in shares)
    assert sum(share.quota for share in shares if share.lane != TRANSACTIONAL) <= bulk


@given(DUE, st.integers(0, 300), st.integers(0, 1000))
def test_no_permit_is_left_over_while_mails_are_due(due: list[DueMails], permits: int, turn: int) -> None:
    shares = allot(due, permits, 10_000, turn)
    assert sum(share.quota for share in shares) == min(permits, sum(w.count for w in due))


def test_transactional_mail_goes_first_but_leaves_a_tenth_to_the_other_lanes() -> None:
    due = [DueMails(TRANSACTIONAL, A, 1000), DueMails(WORKFLOW, A, 1000), DueMails(CAMPAIGN, A, 1000)]
    assert by_lane(allot(due, 100, 1000, 0)) == {TRANSACTIONAL: 90, WORKFLOW: 9, CAMPAIGN: 1}


@given(st.integers(1, 100))
def test_the_other_lanes_get_a_tenth_however_few_permits_there_are(permits: int) -> None:
    due = [DueMails(TRANSACTIONAL, A, 1000), DueMails(CAMPAIGN, B, 300_000)]
    shares = [share for turn in range(10) for share in allot(due, permits, 1000, turn)]
    assert by_lane(shares) == {TRANSACTIONAL: 9 * permits, CAMPAIGN: permits}


def test_every_tenth_single_permit_goes_to_the_other_lanes() -> None:
    due = [DueMails(TRANSACTIONAL, A, 1000), DueMails(CAMPAIGN, A, 1000)]
    lanes = Counter(allot(due, 1, 1000, turn)[0].lane for turn in range(100))
    assert lanes[TRANSACTIONAL] == 90 and lanes[CAMPAIGN] == 10


def test_only_transactional_mail_uses_the_reserve() -> None:
    due = [DueMails(TRANSACTIONAL, A, 3), DueMails(CAMPAIGN, A, 1000)]
    assert by_lane(allot(due, 100, 0, 0)) == {TRANSACTIONAL: 3}


def test_a_project_with_a_million_mails_does_not_delay_another_with_ten() -> None:
    assert fair({A: 1_000_000, B: 10}, 40, 0) == {A: 30, B: 10}


def test_all_projects_get_their_turn_even_with_fewer_permits_than_projects() -> None:
    given_to = Counter(p for turn in range(6) for p, n in fair({A: 9, B: 9, C: 9}, 1, turn).items() if n)
    assert given_to == {A: 2, B: 2, C: 2}
