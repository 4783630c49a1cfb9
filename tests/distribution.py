"""How pytest-xdist distributes the tests: those that measure time run first and alone, then each worker takes a file.

Only with `--dist=loadfile`, as in `make test`. Each worker has a Postgres and a NATS of its own, so a file's tests meet
only those that the same worker ran before.
"""

import ast
import os
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

SERIAL = "pytest.mark.serial"
SLOW = "pytest.mark.slow"
E2E = "tests/e2e"
UNIT = "tests/unit"
WORKERS_PER_CORE = 2.5
"""Tests wait more than they work."""
MAX_WORKERS = 8
"""With more the run still takes as long as its slowest file."""


def workers() -> int:
    """Return how many workers keep this machine busy, or 0 where they would have to share their servers."""
    if os.environ.get("GODWIT_TEST_BACKEND") == "external":
        return 0
    return min(MAX_WORKERS, int(WORKERS_PER_CORE * (os.cpu_count() or 1)))


class SerialFirst(LoadScopeScheduling):
    """Runs the serial tests on one worker while the others wait, then gives each worker a file at a time.

    A scheduler sees nothing of a test but its id, so the marks are read from the source. It builds on the scheduler of
    the locked version of xdist, some of whose methods are not public.
    """

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        self._root = config.rootpath

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if test.partition("[")[0] in serial_tests(self._root / file):
            return SERIAL
        return E2E if file.startswith(E2E) else file  # all of them use the same stack

    def _assign_work_unit(self, node: WorkerController) -> None:
        has_collected = node in self.registered_collections  # not yet if it replaces a worker that crashed
        if has_collected and self._measuring in (None, node):
            self.workqueue.move_to_end(min(self.workqueue, key=self._rank), last=False)
            super()._assign_work_unit(node)

    def _rank(self, scope: str) -> int:
        """Return when it is the scope's turn: a slow file that begins last would hold up the run."""
        if scope == SERIAL:
            return 0
        if scope == E2E or SLOW in source(self._root / scope):
            return 1
        return 3 if scope.startswith(UNIT) else 2

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        measuring = self._measuring
        super().mark_test_complete(node, item_index, duration)
        if measuring and not self._measuring:
            for _ in range(2):  # a worker starts a test only once it has the next one, and a file may have only one
                self.schedule()

    @property
    def _measuring(self) -> WorkerController | None:
        """The worker that still has serial tests to run."""
        for node, work in self.assigned_work.items():
            if not all(work.get(SERIAL, {}).values()):
                return node
        return None


@cache
def serial_tests(file: Path) -> frozenset[str]:
    """Return the names of the file's functions that are marked as serial."""
    if SERIAL not in source(file):
        return frozenset()
    functions = [
        node for node in ast.parse(source(file)).body if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    ]
    return frozenset(each.name for each in functions if SERIAL in map(ast.unparse, each.decorator_list))


@cache
def source(file: Path) -> str:
    """Return the text of a test file."""
    return file.read_text()
