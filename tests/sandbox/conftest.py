from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.sandbox.running import QUIET, Sandbox, Subscriber, eventually

StartSandbox = Callable[..., Sandbox]


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[StartSandbox]:
    """Yield a function that starts sandboxes for this test only, with further options as strings."""
    with ExitStack() as started:

        def start(*options: str) -> Sandbox:
            sandbox = Sandbox(tmp_path / "sandbox", *options)
            started.callback(sandbox.stop)
            return sandbox

        yield start


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Yield a sandbox for all tests that use their own addresses and names and do not change its settings."""
    shared = Sandbox(tmp_path_factory.mktemp("sandbox"))
    yield shared
    shared.stop()


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sandbox, Subscriber]]:
    """Yield a sandbox and a subscriber that gets everything."""
    listening = Subscriber()
    shared = Sandbox(tmp_path_factory.mktemp("telling"), "--subscriber", listening.url)
    eventually(lambda: shared.get("/sandbox/notifications")["subscriptions"][0]["confirmed"])
    yield shared, listening
    shared.stop()
    listening.close()


@pytest.fixture
def subscriber(pair: tuple[Sandbox, Subscriber]) -> Subscriber:
    """Return the subscriber of `telling`, which has received nothing yet."""
    return pair[1]


@pytest.fixture
def telling(pair: tuple[Sandbox, Subscriber]) -> Sandbox:
    """Return a sandbox with a confirmed subscriber, without random outcomes or notifications of earlier tests."""
    sandbox, subscriber = pair
    sandbox.post("/sandbox/behaviour", QUIET)
    sandbox.post("/sandbox/notifications", {"mode": "on"})
    sandbox.delete("/sandbox/messages")
    for suppressed in sandbox.ses.list_suppressed_destinations()["SuppressedDestinationSummaries"]:
        sandbox.ses.delete_suppressed_destination(EmailAddress=suppressed["EmailAddress"])
    eventually(lambda: sandbox.get("/sandbox/notifications")["pending"] == 0)
    subscriber.posts.clear()
    return sandbox


@pytest.fixture
def own_subscriber() -> Iterator[Subscriber]:
    """Yield a subscriber for this test only."""
    listening = Subscriber()
    yield listening
    listening.close()


@pytest.fixture
def own_telling(start_sandbox: StartSandbox, own_subscriber: Subscriber) -> Sandbox:
    """Return a sandbox like `telling`, which the test may stop and start."""
    sandbox = start_sandbox("--subscriber", own_subscriber.url)
    sandbox.post("/sandbox/behaviour", QUIET)
    eventually(lambda: sandbox.get("/sandbox/notifications")["subscriptions"][0]["confirmed"])
    return sandbox
