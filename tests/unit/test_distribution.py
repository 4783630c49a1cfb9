"""In what order, and beside what, the tests run."""

from pathlib import Path
from unittest.mock import Mock

import pytest
from xdist.remote import Producer

from tests import distribution
from tests.distribution import SerialFirst, serial_tests

FILES = {
    "tests/unit/test_rule.py": "",
    "tests/service/test_one.py": "",
    "tests/service/test_many.py": "pytestmark = pytest.mark.slow",
    "tests/service/test_rate.py": "@pytest.mark.usefixtures('a')\n@pytest.mark.serial\nasync def test_time(a): ...",
}
TESTS = [
    *("tests/unit/test_rule.py::test_a", "tests/unit/test_rule.py::test_b", "tests/unit/test_rule.py::test_c"),
    "tests/service/test_one.py::test_a",
    *("tests/service/test_many.py::test_a", "tests/service/test_many.py::test_b"),
    *("tests/service/test_rate.py::test_time[1]", "tests/service/test_rate.py::test_other"),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def scheduler(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, root: Path) -> SerialFirst:
    monkeypatch.setattr(pytestconfig.option, "tx", ["popen", "popen"])
    scheduler = SerialFirst(pytestconfig, Producer("tests"))
    monkeypatch.setattr(scheduler, "_root", root)
    return scheduler


def given(worker: Mock) -> list[str]:
    """Return the tests that the worker was told to run."""
    return [TESTS[place] for told in worker.send_runtest_some.call_args_list for place in told.args[0]]


def test_serial_tests_are_found_in_the_source(root: Path) -> None:
    assert serial_tests(root / "tests/service/test_rate.py") == {"test_time"}
    assert serial_tests(root / "tests/service/test_many.py") == frozenset()


def test_nothing_runs_beside_a_serial_test_and_slow_files_come_next(scheduler: SerialFirst) -> None:
    measuring, other = (Mock(shutting_down=False) for _ in range(2))
    for worker in (measuring, other):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, TESTS)
    scheduler.schedule()
    assert given(measuring) == [TESTS[6], TESTS[4], TESTS[5]]
    assert given(other) == []
    scheduler.mark_test_complete(measuring, 6)
    assert sorted(given(measuring)[3:] + given(other)) == sorted([*TESTS[:4], TESTS[7]])
    assert given(other)[0] in (TESTS[3], TESTS[7])


def test_workers_do_not_share_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GODWIT_TEST_BACKEND", "external")
    assert distribution.workers() == 0
    monkeypatch.setenv("GODWIT_TEST_BACKEND", "embedded")
    assert 2 <= distribution.workers() <= distribution.MAX_WORKERS
