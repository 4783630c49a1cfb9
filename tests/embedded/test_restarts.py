"""When a part that died is restarted."""

from deploy.embedded.restarts import Restarts


def test_the_first_restart_is_immediate_and_each_further_one_waits_longer_but_less_than_two_seconds() -> None:
    restarts = Restarts()
    delays = [restarts.delay(now=float(n), lived=0.1) for n in range(8)]
    assert delays == [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 1.6, 1.6]


def test_a_part_that_was_stable_is_restarted_immediately_again() -> None:
    restarts = Restarts()
    for n in range(5):
        restarts.delay(now=float(n), lived=0.1)
    assert restarts.delay(now=20.0, lived=15.0) == 0.0


def test_ten_deaths_in_twenty_seconds_are_a_crash_loop() -> None:
    restarts = Restarts()
    for n in range(9):
        restarts.delay(now=float(n), lived=0.1)
        assert not restarts.is_crash_looping(now=float(n))
    restarts.delay(now=19.0, lived=0.1)
    assert restarts.is_crash_looping(now=19.0)


def test_ten_deaths_in_a_longer_time_are_not_a_crash_loop() -> None:
    restarts = Restarts()
    for n in range(10):
        restarts.delay(now=n * 3.0, lived=0.1)
    assert not restarts.is_crash_looping(now=27.0)
