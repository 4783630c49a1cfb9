from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.sandbox.running import QUIET, Sandbox, Subscriber, eventually

StartSandbox = Callable[..., Sandbox]


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[StartSandbox]:
    """Starts sandboxes of this test's own; more options may be given as strings."""
    with ExitStack() as started:

        def start(*options: str) -> Sandbox:
            sandbox = Sandbox(tmp_path / "sandbox", *options)
            started.callback(sandbox.stop)
            return sandbox

        yield start


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One for all tests that keep to addresses and names of their own and leave its settings alone."""
    shared = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Subscriber]]:
    """A sandbox and the subscriber that it tells everything."""
    listening = Subscriber()
    shared = Sandbox(tmp_path_factory.mktemp("telling"), "--subscriber", listening.url)
    eventually(lambda: shared.get("/sandbox/notifications")["subscriptions"][0]["confirmed"])
    yield shared, listening
    shared.stop()
    listening.close()


@pytest.fixture
def subscriber(pair: tuple[Sandbox, Subscriber]) -> Subscriber:
    """The subscriber of `telling`, which has heard nothing yet."""
    return pair[1]


@pytest.fixture
def telling(pair: tuple[Sandbox, Subscriber]) -> Sandbox:
    """A sandbox with a confirmed subscriber, in which nothing happens by chance and no earlier test is heard of."""
    sandbox, subscriber = pair
    sandbox.post("/sandbox/behaviour", QUIET)
    sandbox.post("/sandbox/notifications", {"mode": "on"})
    sandbox.delete("/sandbox/messages")
    eventually(lambda: sandbox.get("/sandbox/notifications")["pending"] == 0)
    subscriber.posts.clear()
    return sandbox


@pytest.fixture
def own_subscriber() -> Iterator[Subscriber]:
    """For a sandbox of the test's own."""
    listening = Subscriber()
    yield listening
    listening.close()


@pytest.fixture
def own_telling(start_sandbox: StartSandbox, own_subscriber: Subscriber) -> Sandbox:
    """Like `telling`, to be stopped and started as the test likes."""
    sandbox = start_sandbox("--subscriber", own_subscriber.url)
    sandbox.post("/sandbox/behaviour", QUIET)
    eventually(lambda: sandbox.get("/sandbox/notifications")["subscriptions"][0]["confirmed"])
    return sandbox
