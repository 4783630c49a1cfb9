"""Renders mails, and those whose cost nobody can tell beforehand in a process that can be killed.

A template may loop for ever, or multiply a text until the memory is full, and its author may mean to. What is provably
cheap (see `template_cost`) is rendered here; everything else in a worker process, with limits on time and memory. One
project has at most one worker at a time, so that it cannot keep others waiting.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from libs.runtime.process.worker_pool import Limits, PoolBusy, PoolClosed, WorkerLost, WorkerPool, WorkKilled
from services.delivery.ledger.mail import Mail
from services.delivery.rendering.message import RenderedMail, render
from services.delivery.rendering.templates import Unrenderable, is_cheap
from services.delivery.rendering.variables import Links

WORKERS = 2
LIMITS = Limits(seconds=2.0, memory=256 * 1024 * 1024)
WAIT_SECONDS = 0.5
"""How long a mail waits for a worker: its thread is needed for others."""


class TooExpensive(Unrenderable):
    """Raised when rendering took more time or memory than a mail may take. It would do so again."""


class RendererBusy(Exception):
    """Raised when no worker came free. The mail can be rendered later."""


class Renderer:
    """Renders mails. Blocking calls, for threads."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._pool = WorkerPool(WORKERS)
        self._lock = threading.Condition()
        self._rendering: set[UUID] = set()

    def render(self, mail: Mail, wait: float = WAIT_SECONDS) -> RenderedMail:
        """Render what the mail says to its recipient. Raise Unrenderable, TooExpensive or RendererBusy."""
        if is_cheap(mail.content.subject) and is_cheap(mail.content.body):
            return render(mail, self._links)
        with self._turn(mail.project, wait):
            try:
                return self._pool.call(render, mail, self._links, limits=LIMITS, wait=wait)
            except WorkKilled as killed:
                raise TooExpensive(f"rendering {killed}") from killed
            except (PoolBusy, PoolClosed, WorkerLost) as busy:
                raise RendererBusy from busy

    def close(self) -> None:
        """End the worker processes. Mails that they render raise RendererBusy."""
        self._pool.close()

    @contextmanager
    def _turn(self, project: UUID, wait: float) -> Iterator[None]:
        """Wait for the project's turn. Raise RendererBusy if it does not come in time."""
        with self._lock:
            if not self._lock.wait_for(lambda: project not in self._rendering, timeout=wait):
                raise RendererBusy
            self._rendering.add(project)
        try:
            yield
        finally:
            with self._lock:
                self._rendering.discard(project)
                self._lock.notify_all()
