"""Simulates how permits circulate: the rate is never exceeded, and hardly a permit is idle.

Simulated senders claim, call and write outcomes as `sender.py` does, with usual times for each step; some are killed or
stopped, and start again. Time is simulated, too, so the load of the machine does not matter.
"""

import heapq
import itertools
import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

import pytest

from services.delivery.scheduling.permit_pool import IN_FLIGHT, MAX_DELAY
from services.delivery.scheduling.rate import AHEAD, ReturningPermits, circulation, slots
from services.delivery.sender.outcome_writer import GATHER_SECONDS
from services.delivery.sender.sender import IDLE_SECONDS

End: TypeAlias = Literal["killed", "stopped"]
BEGINNING = datetime(2026, 11, 21, tzinfo=UTC)
DATABASE = 0.006
CALL = 0.015
RESTART = 0.8
WARM = 3.0
SECONDS = 30.0


class World:
    """A permit pool, its senders, and the calls that reached SES."""

    def __init__(self, rate: float, seed: int) -> None:
        self.now = 0.0
        self.arrived: list[float] = []
        self._permits, self._period = circulation(rate)
        self._ahead = math.ceil(rate * AHEAD)
        self._out: Counter[float] = Counter()
        self._dice = random.Random(seed)
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._places = itertools.count()

    def run(self, until: float) -> None:
        while self._agenda and self._agenda[0][0] < until:
            self.now, _, act = heapq.heappop(self._agenda)
            act()

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (self.now + seconds, next(self._places), act))

    def takes(self, seconds: float) -> float:
        return seconds * self._dice.uniform(0.5, 2.0)

    def restart_now_and_then(self, senders: "list[Sender]", every: float, ways: Sequence[End]) -> None:
        place = self._dice.randrange(len(senders))
        senders[place].end = self._dice.choice(ways)
        senders[place] = Sender(self)
        self.after(RESTART, senders[place].claim)
        self.after(every * self._dice.uniform(0.7, 1.3), lambda: self.restart_now_and_then(senders, every, ways))

    def take(self, uncalled: int) -> tuple[list[float], float, float]:
        """Take permits like `permit_pool.take`: return the starts, when the permits return, and how long to wait."""
        self._out = Counter({ready: n for ready, n in self._out.items() if ready > self.now - 1})
        coming = sorted(ready for ready, n in self._out.items() if ready > self.now and n > 0)
        out = [
            ReturningPermits(ready - self.now, self._out[ready], BEGINNING + timedelta(seconds=ready))
            for ready in coming
        ]
        found = slots(self._permits, self._period, out, self._ahead - uncalled)
        for ready, (_, n) in zip(coming, found.used, strict=False):
            self._out[ready] -= n
        held_until = self.now + max(found.starts, default=0.0) + MAX_DELAY + IN_FLIGHT + self._period
        self._out[held_until] += len(found.starts)
        return list(found.starts), held_until, found.wait

    def give_back(self, held_until: float, answered: float) -> None:
        self._back(held_until, answered + self._period)

    def give_back_unused(self, held_until: float) -> None:
        self._back(held_until, self.now)

    def _back(self, held_until: float, ready: float) -> None:
        self._out[held_until] -= 1
        self._out[max(ready, self.now)] += 1


class Sender:
    """A sender until its `end`: a killed one does nothing more, a stopped one finishes what it has begun."""

    def __init__(self, world: World) -> None:
        self.end: End | None = None
        self._world = world
        self._uncalled = 0

    def claim(self) -> None:
        world = self._world
        if self.end:
            return
        starts, held_until, wait = world.take(self._uncalled)
        self._uncalled += len(starts)
        for start in starts:
            world.after(max(start, world.takes(2 * DATABASE)), lambda: self._call(held_until))
        world.after(world.takes(3 * DATABASE) if starts else min(max(wait, DATABASE), IDLE_SECONDS), self.claim)

    def _call(self, held_until: float) -> None:
        world = self._world
        self._uncalled -= 1
        if self.end == "killed":
            return
        if self.end == "stopped":
            world.after(GATHER_SECONDS + world.takes(DATABASE), lambda: world.give_back_unused(held_until))
            return
        seconds = world.takes(CALL)
        world.after(seconds / 2, lambda: world.arrived.append(world.now))
        answered = world.now + seconds
        world.after(seconds + GATHER_SECONDS + world.takes(DATABASE), lambda: self._record(held_until, answered))

    def _record(self, held_until: float, answered: float) -> None:
        if self.end != "killed":
            self._world.give_back(held_until, answered)


def used_and_busiest(
    rate: float, senders: int, every: float | None = None, ways: Sequence[End] = ()
) -> tuple[float, int]:
    """Return the used share of the rate, and the most calls in any second."""
    world = World(rate, seed=1)
    running = [Sender(world) for _ in range(senders)]
    for sender in running:
        world.after(world.takes(0.1), sender.claim)
    if every:
        world.after(WARM, lambda: world.restart_now_and_then(running, every, ways))
    world.run(until=WARM + SECONDS)
    arrived = sorted(world.arrived)
    busiest = max(bisect_left(arrived, moment + 1.0) - place for place, moment in enumerate(arrived))
    return sum(moment >= WARM for moment in arrived) / (rate * SECONDS), busiest


@pytest.mark.parametrize("senders", [1, 4])
@pytest.mark.parametrize("rate", [14, 100])
def test_at_least_95_percent_of_the_rate_is_used(rate: int, senders: int) -> None:
    used, busiest = used_and_busiest(rate, senders)
    assert used >= 0.95 and busiest <= rate


@pytest.mark.parametrize("senders", [2, 4])
@pytest.mark.parametrize("rate", [14, 100])
def test_at_least_95_percent_of_the_rate_is_used_while_senders_restart(rate: int, senders: int) -> None:
    used, busiest = used_and_busiest(rate, senders, 11.5, ("killed", "stopped"))
    assert used >= 0.95 and busiest <= rate


@pytest.mark.parametrize("senders", [2, 4])
@pytest.mark.parametrize("rate", [14, 100])
def test_the_rate_is_never_exceeded_however_often_senders_are_killed(rate: int, senders: int) -> None:
    used, busiest = used_and_busiest(rate, senders, 3.0, ("killed",))
    assert used >= 0.85 and busiest <= rate


@pytest.mark.parametrize("rate", [14, 100])
def test_stopping_a_sender_costs_the_others_nothing(rate: int) -> None:
    used, busiest = used_and_busiest(rate, 2, 3.0, ("stopped",))
    assert used >= 0.95 and busiest <= rate
