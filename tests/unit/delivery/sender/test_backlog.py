"""What a process knows to wait in the queue."""

from services.delivery.sender.backlog import Backlog


def test_at_first_nobody_knows_what_waits() -> None:
    assert Backlog()


def test_what_was_known_before_a_look_that_found_all_does_not_wait_any_more() -> None:
    backlog = Backlog()
    backlog.found(backlog.known())
    assert not backlog


def test_what_came_during_the_look_still_waits() -> None:
    backlog = Backlog()
    known = backlog.known()
    backlog.grow()
    backlog.found(known)
    assert backlog


def test_it_says_that_it_grew_until_the_next_look() -> None:
    backlog = Backlog()
    backlog.grow()
    assert backlog.grew.is_set()
    backlog.known()
    assert not backlog.grew.is_set()
