"""What a permit allows, and for how long."""

import time
from datetime import UTC, datetime

from services.delivery.scheduling.permit_pool import MAX_DELAY, Grant
from services.delivery.sender.job import permits_of

GRANT = Grant(starts=[0.0, 0.25], held_until=datetime(2026, 11, 21, tzinfo=UTC))


def test_a_permit_is_valid_for_a_moment_from_its_start() -> None:
    asked = time.monotonic()
    first, second = permits_of(GRANT, asked)
    assert asked <= first.start <= time.monotonic()
    assert 0.24 < second.start - first.start < 0.26
    assert first.latest == asked + MAX_DELAY and second.latest == asked + 0.25 + MAX_DELAY


def test_a_process_that_was_paused_before_the_response_has_no_time_left() -> None:
    """The pool counts the permit as if it had been used at once."""
    (permit, _) = permits_of(GRANT, time.monotonic() - 1.0)
    assert permit.latest < permit.start


def test_a_used_permit_returns_later() -> None:
    permit = permits_of(GRANT, time.monotonic())[0]
    held_until, ready_in = permit.used(time.monotonic() + 5.0).returned()
    assert held_until == GRANT.held_until and 0.0 < ready_in <= 5.0
