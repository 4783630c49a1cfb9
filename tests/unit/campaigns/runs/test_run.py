"""The counts of a run."""

from services.campaigns.runs.run import Run


def test_queued_are_the_resolved_recipients_without_an_outcome() -> None:
    assert Run(resolved=10, sent=3, failed=1, suppressed=2, cancelled=1).queued == 3


def test_outcomes_that_arrive_before_their_page_leave_no_one_queued() -> None:
    assert Run(resolved=0, sent=2).queued == 0


def test_recipients_are_those_resolved_so_far_until_all_are() -> None:
    assert Run(resolved=1000).recipients == 1000
    assert Run(resolved=1000, total=1500).recipients == 1500
