"""Whether notifications may be waiting in the queue."""

from services.feedback.ingest.backlog import SETTLE_SECONDS, Backlog


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def emptied_backlog() -> tuple[Backlog, Clock]:
    """Return the backlog of a process that has just emptied the queue."""
    clock = Clock()
    backlog = Backlog(120.0, clock)
    backlog.received(emptied=True)
    return backlog, clock


def test_a_backlog_is_possible_until_a_receive_empties_the_queue() -> None:
    backlog = Backlog(120.0, Clock())
    backlog.received(emptied=False)
    assert backlog.possible
    backlog.received(emptied=True)
    assert not backlog.possible


def test_a_full_receive_means_that_there_may_be_more() -> None:
    backlog, clock = emptied_backlog()
    backlog.received(emptied=False)
    backlog.received(emptied=True)
    assert backlog.possible
    clock.now += SETTLE_SECONDS
    assert not backlog.possible


def test_messages_that_could_not_be_stored_are_a_backlog_while_they_are_hidden() -> None:
    backlog, clock = emptied_backlog()
    backlog.not_stored()
    clock.now += 119
    assert backlog.possible
    clock.now += 1
    assert not backlog.possible


def test_a_backlog_is_possible_while_the_queue_cannot_be_reached() -> None:
    backlog, clock = emptied_backlog()
    backlog.unreachable()
    clock.now += 10_000
    assert backlog.possible
    backlog.received(emptied=True)
    assert not backlog.possible
