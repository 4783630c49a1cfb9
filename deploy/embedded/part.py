"""The declaration of one part of the stack: what to run, when it is ready, how to stop it."""

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """One part of the stack, such as a server or a service process.

    `run` is called in a process of its own, with exactly `environment`; it may replace that process. `ready` is called
    with the process id while the stack starts. A part that runs `once` is ready when it has ended successfully; every
    other part is restarted whenever it ends.
    """

    name: str
    run: Callable[[], object]
    ready: Callable[[int], bool]
    environment: Mapping[str, str]
    stop: signal.Signals = signal.SIGTERM
    force_stop: signal.Signals = signal.SIGKILL
    grace: float = 10.0
    once: bool = False
