"""The reasons why some of nats-py's work is done by hand here. A test fails when its reason may be gone.

If a new version of nats-py makes one fail, check whether the module that its message names can be replaced by a call to
nats-py, measure it (`make bench`), and either delete the module or update the test.
"""

import asyncio
import re
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.client import JetStreamContext

from libs.runtime.messaging import headers

CHECKED_VERSION = "2.16.0"
LOCK = Path(__file__).parents[4] / "requirements.lock"
MESSAGES = 20
BLOCK = b"".join(b"godwit-header-%d: some value\r\n" % number for number in range(12))


class FakeServer:
    """A server that replies to a pull request with all its messages at once."""

    is_closed = False

    def __init__(self) -> None:
        self.subscription = Subscription(cast(Client, self), 1, "_INBOX.1")

    async def publish(self, *request: Any) -> None:
        for _ in range(MESSAGES):
            self.subscription._pending_queue.put_nowait(Msg(_client=Client(), data=b"{}"))


async def test_the_locked_version_of_nats_py_was_checked() -> None:
    locked = re.search(r"^nats-py==(\S+)", LOCK.read_text(), re.MULTILINE)
    assert locked
    assert locked[1] == version("nats-py") == CHECKED_VERSION, (
        "nats-py has another version: check that pull_client.py, headers.py and publisher.py in libs/runtime/messaging "
        "are still needed and still use its private methods correctly, then set CHECKED_VERSION"
    )


async def test_nats_py_still_creates_a_task_for_every_fetched_message() -> None:
    """`pull_client.py` hands over all messages of a request together."""
    server = FakeServer()
    context = cast(JetStreamContext, SimpleNamespace(_nc=server, _prefix="$JS.API"))
    pull = JetStreamContext.PullSubscription(context, server.subscription, "EVENTS", "reader", b"_INBOX.1")
    tasks = count_tasks()
    fetched = await pull.fetch(MESSAGES, timeout=1)
    asyncio.get_running_loop().set_task_factory(None)
    assert len(fetched) == MESSAGES
    assert len(tasks) >= MESSAGES, (
        "nats-py fetches without a task per message now: check whether its fetch can replace pull_client.py"
    )


def test_nats_py_still_parses_headers_slowly() -> None:
    """`headers.py` checks each header name once, and replaces private methods of the client for that."""
    ratio = fastest(lambda: Client._parse_header_lines(BLOCK)) / fastest(lambda: headers.parse(BLOCK))
    assert ratio > 1.5, (
        f"parsing headers takes nats-py only {ratio:.1f} times as long: check whether headers.py is still worth "
        "replacing private methods of its client"
    )


def test_nats_py_still_has_no_atomic_batch_publish() -> None:
    """`publisher.py` sets the headers of an atomic batch (ADR-50 of nats-server) itself."""
    calls = [name for kind in (JetStreamContext, Client) for name in dir(kind) if re.search("batch|atomic", name)]
    assert calls == [], f"nats-py has {', '.join(calls)} now: check whether it can replace the batches of publisher.py"


def count_tasks() -> list[None]:
    """Return a list that grows by one with every task that the running loop creates."""
    created: list[None] = []

    def create(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> "asyncio.Task[Any]":
        created.append(None)
        return asyncio.Task(work, loop=loop, **options)

    asyncio.get_running_loop().set_task_factory(create)
    return created


def fastest(work: Callable[[], object], rounds: int = 7, calls: int = 300) -> float:
    """Return the processor time of the fastest of several rounds."""

    def measured() -> float:
        began = time.process_time()
        for _ in range(calls):
            work()
        return time.process_time() - began

    return min(measured() for _ in range(rounds))
