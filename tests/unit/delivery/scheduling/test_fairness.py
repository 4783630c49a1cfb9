"""Who gets the tokens."""

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
def test_never_more_than_the_tokens_nor_than_anyone_wants(
    due: list[DueMails], permits: int, bulk: int, turn: int
) -> None:
    shares = allot(due, permits, bulk, turn)
    wanted = {(w.lane, w.project): w.count for w in due}
    assert sum(share.quota for share in shares) <= permits
    assert all(0 < share.quota <= wanted[share.lane, share.project] for share in shares)
    assert sum(share.quota for share in shares if share.lane != TRANSACTIONAL) <= bulk


@given(DUE, st.integers(0, 300), st.integers(0, 1000))
def test_no_token_is_left_while_someone_waits(due: list[DueMails], permits: int, turn: int) -> None:
    shares = allot(due, permits, 10_000, turn)
    assert sum(share.quota for share in shares) == min(permits, sum(w.count for w in due))


def test_transactional_goes_first_but_leaves_a_tenth_to_the_others() -> None:
    due = [DueMails(TRANSACTIONAL, A, 1000), DueMails(WORKFLOW, A, 1000), DueMails(CAMPAIGN, A, 1000)]
    assert by_lane(allot(due, 100, 1000, 0)) == {TRANSACTIONAL: 90, WORKFLOW: 9, CAMPAIGN: 1}


@given(st.integers(1, 100))
def test_however_few_tokens_there_are_at_a_time_the_others_get_a_tenth_of_them(permits: int) -> None:
    due = [DueMails(TRANSACTIONAL, A, 1000), DueMails(CAMPAIGN, B, 300_000)]
    shares = [share for turn in range(10) for share in allot(due, permits, 1000, turn)]
    assert by_lane(shares) == {TRANSACTIONAL: 9 * permits, CAMPAIGN: permits}


def test_of_single_tokens_every_tenth_goes_to_the_others() -> None:
    due = [DueMails(TRANSACTIONAL, A, 1000), DueMails(CAMPAIGN, A, 1000)]
    lanes = Counter(allot(due, 1, 1000, turn)[0].lane for turn in range(100))
    assert lanes[TRANSACTIONAL] == 90 and lanes[CAMPAIGN] == 10


def test_with_the_reserve_reached_only_transactional_mail_goes_out() -> None:
    due = [DueMails(TRANSACTIONAL, A, 3), DueMails(CAMPAIGN, A, 1000)]
    assert by_lane(allot(due, 100, 0, 0)) == {TRANSACTIONAL: 3}


def test_a_project_with_a_million_mails_does_not_delay_anothers_ten() -> None:
    assert fair({A: 1_000_000, B: 10}, 40, 0) == {A: 30, B: 10}


def test_with_fewer_tokens_than_projects_all_get_their_turn() -> None:
    given_to = Counter(p for turn in range(6) for p, n in fair({A: 9, B: 9, C: 9}, 1, turn).items() if n)
    assert given_to == {A: 2, B: 2, C: 2}
