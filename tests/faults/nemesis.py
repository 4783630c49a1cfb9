"""The nemesis: injects one seeded random fault after the other, and reports each."""

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx

from deploy.demo.api import RequestFailed
from tests.faults.rig import SENDERS, SERVICES, Rig

MAX_CONCURRENT = 2
"""How many faults may overlap: with more, a run only shows that nothing works."""

SERVER_PAUSE = 2.0
CRASH_POINTS = (
    "before_commit",
    "after_commit_before_reply",
    "after_effects_before_ack",
    "after_publish_before_mark",
)
SENDER_CRASH_POINTS = ("after_claim_commit", "after_claim_commit:7", "after_ses_accept", "after_ses_accept:12")
SES_FAULTS = (
    ("throttle", 0.3),
    ("error_500", 0.1),
    ("reset_after_accept", 0.1),
    ("timeout_after_accept", 0.03),
    ("hang", 0.02),
)

Act = Callable[[], Awaitable[None]]


class Nemesis:
    """Injects faults until it is cancelled, or has killed often enough. `done` counts them by name."""

    def __init__(self, rig: Rig, seed: int, say: Callable[[str], None], every: float = 1.0) -> None:
        self._rig = rig
        self._chance = random.Random(f"{seed}-nemesis")
        self._say = say
        self._every = every
        self._began = time.monotonic()
        self.done: Counter[str] = Counter()

    async def run(self, kills: int | None = None) -> None:
        """Inject faults, at most MAX_CONCURRENT at a time."""
        room = asyncio.Semaphore(MAX_CONCURRENT)
        async with asyncio.TaskGroup() as faults:
            while kills is None or self._rig.kills < kills:
                await asyncio.sleep(self._chance.uniform(0, 2 * self._every))
                await room.acquire()
                acts, weights = zip(*self._faults(), strict=True)
                [act] = self._chance.choices(acts, weights)
                faults.create_task(self._during(act, room))

    async def kill_only(self, kills: int, every: float) -> None:
        """Only kill processes, one after the other, Postgres and NATS included."""
        while self._rig.kills < kills:
            await asyncio.sleep(self._chance.uniform(0, 2 * every))
            victim = self._chance.choices((*SENDERS, *SERVICES, "nats-1", "postgres-1"), (6, 6, *[1] * 8))[0]
            if self._rig.kill(victim, signal.SIGQUIT if victim == "postgres-1" else signal.SIGKILL):
                self._note("kill", victim)

    def _faults(self) -> list[tuple[Act, int]]:
        return [
            (self._kill, 12),
            (self._crash, 6),
            (self._pause, 4),
            (self._restart_postgres, 2),
            (self._kill_nats, 2),
            (self._pause_nats, 1),
            (self._disturb_ses, 6),
            (self._disturb_notifications, 4),
            (self._lose_commits, 3),
            (self._cut, 1),
        ]

    async def _during(self, act: Act, room: asyncio.Semaphore) -> None:
        try:
            with suppress(
                RequestFailed, httpx.TransportError
            ):  # the sandbox could not be reached: then this fault does not happen
                await act()
        finally:
            room.release()

    def _note(self, what: str, detail: str) -> None:
        self.done[what] += 1
        self._say(f"{time.monotonic() - self._began:6.1f} s  {what} {detail}")

    def _anyone(self) -> str:
        return self._chance.choices((*SENDERS, *SERVICES), (3, 3, *[1] * len(SERVICES)))[0]

    # --- the faults --------------------------------------------------------------------------------------------------

    async def _kill(self) -> None:
        victim = self._anyone()
        if self._rig.kill(victim):
            self._note("kill", victim)

    async def _crash(self) -> None:
        victim = self._anyone()
        points = SENDER_CRASH_POINTS if victim in SENDERS and self._chance.random() < 0.7 else CRASH_POINTS
        point = self._chance.choice(points)
        if self._rig.arm(victim, point):
            self._note("crash", f"{victim} at {point}")

    async def _pause(self) -> None:
        victim, seconds = self._anyone(), self._chance.uniform(1, 12)
        if pid := self._rig.pause(victim):
            self._note("pause", f"{victim} for {seconds:.0f} s")
            await asyncio.sleep(seconds)
            self._rig.resume(pid)

    async def _restart_postgres(self) -> None:
        if self._rig.kill(
            "postgres-1", signal.SIGQUIT
        ):  # an immediate shutdown: like a crash, with recovery at the next start
            self._note("restart", "postgres")
            await asyncio.sleep(SERVER_PAUSE)

    async def _kill_nats(self) -> None:
        if self._rig.kill("nats-1"):
            self._note("kill", "nats")
            await asyncio.sleep(SERVER_PAUSE)

    async def _pause_nats(self) -> None:
        seconds = self._chance.uniform(1, 8)
        if pid := self._rig.pause("nats-1"):
            self._note("pause", f"nats for {seconds:.0f} s")
            await asyncio.sleep(seconds)
            self._rig.resume(pid)

    async def _disturb_ses(self) -> None:
        (fault, rate), seconds = self._chance.choice(SES_FAULTS), self._chance.uniform(1, 5)
        self._note("ses", f"{fault} for {seconds:.0f} s")
        await self._rig.plant(fault, rate)
        await asyncio.sleep(seconds)
        await self._rig.clear()

    async def _disturb_notifications(self) -> None:
        mode, seconds = self._chance.choice(("paused", "duplicated", "shuffled")), self._chance.uniform(2, 10)
        self._note("notifications", f"{mode} for {seconds:.0f} s")
        await self._rig.notify(mode)
        await asyncio.sleep(seconds)
        await self._rig.notify("on")

    async def _lose_commits(self) -> None:
        self._rig.proxy.lose_commits = count = self._chance.randint(1, 4)
        self._note("lose", f"the answers of {count} commits")

    async def _cut(self) -> None:
        self._note("cut", "every second replica's connections to postgres")
        self._rig.proxy.cut()
