"""Whether notifications may be waiting in the queue."""

from services.feedback.ingest.backlog import SETTLES_SECONDS, Backlog


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def begun() -> tuple[Backlog, Clock]:
    """One that has just found the queue empty."""
    clock = Clock()
    backlog = Backlog(120.0, clock)
    backlog.received(all_there_was=True)
    return backlog, clock


def test_there_may_be_some_until_a_receive_has_found_all_there_was() -> None:
    backlog = Backlog(120.0, Clock())
    backlog.received(all_there_was=False)
    assert backlog.possible
    backlog.received(all_there_was=True)
    assert not backlog.possible


def test_a_full_receive_says_that_there_is_more() -> None:
    backlog, clock = begun()
    backlog.received(all_there_was=False)
    backlog.received(all_there_was=True)
    assert backlog.possible
    clock.now += SETTLES_SECONDS
    assert not backlog.possible


def test_what_could_not_be_stored_comes_again_when_it_is_hidden_no_longer() -> None:
    backlog, clock = begun()
    backlog.not_stored()
    clock.now += 119
    assert backlog.possible
    clock.now += 1
    assert not backlog.possible


def test_of_a_queue_that_cannot_be_reached_nothing_is_known() -> None:
    backlog, clock = begun()
    backlog.unreachable()
    clock.now += 10_000
    assert backlog.possible
    backlog.received(all_there_was=True)
    assert not backlog.possible
