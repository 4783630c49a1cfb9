"""Signs envelopes in threads that give way to everything else, and several at a time when many wait.

A signature takes a third of a millisecond, and a way to a thread and back about as long as a fifth of one.
"""

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from deploy.sandbox.sns import Envelope, Signer

THREADS = 2
TOGETHER = 16
NICE = 10

Waiting = tuple[Envelope, "asyncio.Future[Envelope]"]


class Signing:
    """Signs for everybody who tells subscribers something."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="sign", initializer=_give_way)
        self._waiting: deque[Waiting] = deque()
        self._busy = 0

    async def sign(self, envelope: Envelope) -> Envelope:
        signed: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._waiting.append((envelope, signed))
        self._start()
        return await signed

    def stop(self) -> None:
        """What waits is not signed any more."""
        self._waiting.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        while self._waiting and self._busy < THREADS:
            batch = [self._waiting.popleft() for _ in range(min(TOGETHER, len(self._waiting)))]
            self._busy += 1
            envelopes = [envelope for envelope, _ in batch]
            signing = asyncio.get_running_loop().run_in_executor(self._threads, self._sign_all, envelopes)
            signing.add_done_callback(partial(self._finish, batch))

    def _sign_all(self, envelopes: Sequence[Envelope]) -> list[Envelope]:
        return [self._signer.sign(envelope) for envelope in envelopes]

    def _finish(self, batch: Sequence[Waiting], signing: "asyncio.Future[list[Envelope]]") -> None:
        self._busy -= 1
        failure = None if signing.cancelled() else signing.exception()
        for place, (_, signed) in enumerate(batch):
            if signed.done():  # whoever waited has gone
                continue
            if signing.cancelled():
                signed.cancel()
            elif failure:
                signed.set_exception(failure)
            else:
                signed.set_result(signing.result()[place])
        self._start()


def _give_way() -> None:
    """Signing is most of the work here and none of the hurry: on Linux a single thread can be nice."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
