"""`godwit up` as a whole: real Postgres, real NATS, stand-ins for the services."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from deploy.embedded import postgres
from deploy.embedded.endpoints import of_running_stack
from deploy.embedded.layout import Layout
from deploy.embedded.ports import free_ports

pytestmark = pytest.mark.slow

TIMEOUT = 30.0
PROCESSES = {
    *("postgres-1", "nats-1", "sandbox-1", "supervisor"),
    *("gateway-1", "contacts-1", "campaigns-1", "workflows-1", "delivery-1", "feedback-1"),
}


class Stack:
    """A data directory with its own ports, and at most one `godwit up` on it."""

    def __init__(self, directory: Path) -> None:
        self.data_dir = directory / "data"
        self.faults = directory / "faults"
        self.http_port, self.sandbox_port = free_ports(2)
        self.run: subprocess.Popen[str] | None = None

    def up(self, **settings: str) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GODWIT_")}
        environment |= {
            "FAKE_FAULTS": str(self.faults),
            "GODWIT_DATA_DIR": str(self.data_dir),
            "GODWIT_HTTP_PORT": str(self.http_port),
            "GODWIT_SANDBOX_PORT": str(self.sandbox_port),
            **settings,
        }
        command = [sys.executable, "-m", "tests.embedded.fake"]
        return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def start(self, **settings: str) -> str:
        """Start the stack and return its output up to the line that reports it ready."""
        self.run = self.up(**settings)
        said = []
        assert self.run.stdout
        for line in self.run.stdout:
            said.append(line)
            if line.startswith("godwit ready"):
                return "".join(said)
        raise AssertionError(f"never ready: {''.join(said)} {self.run.communicate()}")

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.run
        self.run.send_signal(number)
        self.run.communicate(timeout=TIMEOUT)
        return self.run.returncode

    def fail(self, **settings: str) -> str:
        """Start the stack where that must fail with exit code 1, and return its stderr."""
        run = self.up(**settings)
        _, complaint = run.communicate(timeout=TIMEOUT)
        assert run.returncode == 1, complaint
        return complaint

    def pids(self) -> dict[str, int]:
        run = self.data_dir / "run"
        return {file.stem: pid for file in run.glob("*.pid") if (pid := pid_in(file))}

    def new_pid(self, name: str, old: int) -> bool:
        return self.pids().get(name, old) != old

    def answer(self, path: str = "/livez") -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}{path}", timeout=20) as response:
            body: bytes = response.read()
        return body.decode()

    def processes(self) -> list[str]:
        """Return the command lines of all processes that still use the data directory."""
        return [command for command in command_lines() if str(self.data_dir) in command]


def pid_in(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except FileNotFoundError:
        return None


def command_lines() -> Iterator[str]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            status = (process / "status").read_text()
            environment = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if "\nState:\tZ" not in status:
            yield environment.decode(errors="replace").replace("\0", " ")


def eventually(condition: Callable[[], bool], within: float) -> float:
    """Wait until the condition holds, and return the seconds it took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"not within {within} s"
        time.sleep(0.01)
    return time.monotonic() - began


@contextmanager
def cleared_up(stack: Stack) -> Iterator[Stack]:
    yield stack
    if stack.run and stack.run.poll() is None:
        stack.run.kill()
        stack.run.communicate()
        eventually(lambda: not stack.processes(), within=10)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with cleared_up(Stack(tmp_path)) as stack:
        yield stack


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a running stack, for tests that keep it running."""
    with cleared_up(Stack(tmp_path_factory.mktemp("running"))) as stack:
        stack.start(GODWIT_REPLICAS_DELIVERY="2")
        yield stack


def test_it_starts_everything_reports_it_and_stops_without_a_trace(stack: Stack) -> None:
    said = stack.start()
    assert said.endswith(f"godwit ready http://127.0.0.1:{stack.http_port}\n")
    assert stack.answer() == "gateway-1"
    assert stack.pids().keys() == PROCESSES
    assert stack.stop(signal.SIGINT) == 0
    assert stack.processes() == []
    assert stack.pids() == {}


def test_replicas_are_separate_processes(running: Stack) -> None:
    assert running.pids().keys() == PROCESSES | {"delivery-2"}
    assert len(set(running.pids().values())) == len(PROCESSES) + 1


def test_keys_are_generated_and_shown_once(stack: Stack) -> None:
    first = stack.start()
    stack.stop()
    second = stack.start()
    keys = json.loads((stack.data_dir / "secrets.json").read_text())
    assert first.count(keys["GODWIT_BOOTSTRAP_SECRET_KEY"]) == 1
    assert keys["GODWIT_BOOTSTRAP_SECRET_KEY"] not in second
    assert (stack.data_dir / "secrets.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("victim", sorted(PROCESSES - {"supervisor"}))
@pytest.mark.serial
def test_a_killed_process_is_restarted_within_two_seconds(running: Stack, victim: str) -> None:
    before = running.pids()
    os.kill(before[victim], signal.SIGKILL)
    eventually(lambda: running.new_pid(victim, before[victim]), within=2.0)
    others = before.keys() - {victim}
    assert {name: running.pids()[name] for name in others} == {name: before[name] for name in others}


@pytest.mark.serial
def test_a_process_that_is_killed_repeatedly_comes_back_each_time(running: Stack) -> None:
    for _ in range(6):
        victim = running.pids()["contacts-1"]
        os.kill(victim, signal.SIGKILL)
        eventually(partial(running.new_pid, "contacts-1", victim), within=2.0)


@pytest.mark.serial
def test_postgres_has_the_same_database_after_a_kill(running: Stack) -> None:
    cluster = running.data_dir / "postgres" / "18"
    made, before = cluster.stat().st_ino, running.pids()["postgres-1"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: running.new_pid("postgres-1", before), within=2.0)
    eventually(lambda: postgres.ready(Layout(running.data_dir), running.pids()["postgres-1"]), within=10)
    assert cluster.stat().st_ino == made


def test_a_data_directory_allows_one_stack(running: Stack) -> None:
    complaint = running.fail()
    assert complaint.count("\n") == 1
    assert f"already running in {running.data_dir} (process {running.pids()['supervisor']})" in complaint
    assert running.answer() == "gateway-1"


def test_a_running_stack_can_be_found_and_a_killed_one_cannot(stack: Stack) -> None:
    environment = {"GODWIT_DATA_DIR": str(stack.data_dir)}
    assert of_running_stack(environment) is None
    stack.start()
    found = of_running_stack(environment)
    assert found
    assert found.url == f"http://127.0.0.1:{stack.http_port}"
    assert found.health_ports.keys() == PROCESSES - {"supervisor", "sandbox-1", "nats-1", "postgres-1"}
    assert stack.run
    stack.run.kill()
    stack.run.communicate()
    assert of_running_stack(environment) is None


@pytest.mark.serial
def test_nobody_needs_to_read_its_output(running: Stack) -> None:
    assert running.answer("/talk") == "gateway-1"  # far more than the pipe to this test holds
    before = running.pids()["workflows-1"]
    os.kill(before, signal.SIGKILL)
    eventually(lambda: running.new_pid("workflows-1", before), within=2.0)


def test_nothing_outlives_a_killed_supervisor_and_the_next_start_works(stack: Stack) -> None:
    stack.start()
    assert stack.run
    stack.run.kill()
    stack.run.communicate()
    said = stack.start()  # at once, while the old processes are still ending
    assert "godwit ready" in said
    assert stack.pids().keys() == PROCESSES
    assert stack.stop() == 0
    assert stack.processes() == []


def test_two_stacks_run_side_by_side(stack: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path / "other")
    stack.start()
    other.start()
    assert stack.answer() == other.answer() == "gateway-1"
    assert other.stop() == 0
    assert stack.answer() == "gateway-1"


@pytest.mark.parametrize("setting", ["GODWIT_HTTP_PORT", "GODWIT_SANDBOX_PORT"])
def test_a_taken_port_is_named_with_the_setting_that_changes_it(stack: Stack, setting: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        complaint = stack.fail(**{setting: str(port)})
    assert complaint == f"godwit: port {port} is taken: stop what listens there, or choose another with {setting}\n"
    assert stack.processes() == []


def test_an_unknown_setting_is_rejected_before_anything_starts(stack: Stack) -> None:
    complaint = stack.fail(GODWIT_REPLICA_DELIVERY="2")
    assert "GODWIT_REPLICA_DELIVERY" in complaint
    assert complaint.count("\n") == 1
    assert not stack.data_dir.exists()


@pytest.mark.parametrize("part", ["prepare", "sandbox", "campaigns"])
def test_a_part_that_cannot_start_aborts_the_start_with_its_reason(stack: Stack, part: str) -> None:
    stack.faults.write_text(part)
    complaint = stack.fail()
    assert f"{part} was told to fail" in complaint
    assert complaint.count("\n") == 1
    assert stack.processes() == []


def test_a_part_that_is_fixed_while_the_stack_starts_does_no_harm(stack: Stack) -> None:
    stack.faults.write_text("campaigns")
    stack.run = stack.up()
    assert stack.run.stdout
    for line in stack.run.stdout:
        if "campaigns-1 ended" in line:
            break
    stack.faults.write_text("")
    assert any(line.startswith("godwit ready") for line in stack.run.stdout)


def test_stopping_during_the_start_leaves_nothing_behind(stack: Stack) -> None:
    stack.run = stack.up()
    eventually(lambda: "postgres-1" in stack.pids(), within=10)
    assert stack.stop(signal.SIGINT) == 0
    assert stack.processes() == []
