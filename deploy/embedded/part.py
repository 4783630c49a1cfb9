"""One part of the stack, as it is declared: what to run, when it counts as ready, how it is told to stop."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """`run` is called in a process of its own, with exactly `environment`; it may replace that process.

    `ready` is asked with the process id while the stack starts. A part that runs `once` is ready when it has ended
    well; every other part is started again whenever it ends.
    """

    name: str
    run: Callable[[], object]
    ready: Callable[[int], bool]
    environment: Mapping[str, str]
    stop: signal.Signals = signal.SIGTERM
    force_stop: signal.Signals = signal.SIGKILL
    grace: float = 10.0
    once: bool = False
