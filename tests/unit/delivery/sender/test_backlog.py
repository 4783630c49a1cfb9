"""What a process knows about urgent mails in the queue."""

from services.delivery.sender.backlog import Backlog


def test_a_new_backlog_counts_as_not_empty() -> None:
    assert Backlog()


def test_a_look_that_finds_everything_empties_the_backlog() -> None:
    backlog = Backlog()
    backlog.found(backlog.known())
    assert not backlog


def test_mails_queued_during_the_look_stay_in_the_backlog() -> None:
    backlog = Backlog()
    known = backlog.known()
    backlog.grow()
    backlog.found(known)
    assert backlog


def test_growth_is_signalled_until_the_next_look() -> None:
    backlog = Backlog()
    backlog.grow()
    assert backlog.grew.is_set()
    backlog.known()
    assert not backlog.grew.is_set()
