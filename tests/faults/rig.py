"""A running stack with two senders and two contacts processes, and the means to break each of its parts."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from nats.aio.client import Client
from nats.errors import Error as NatsError

from deploy.connections import connect as connect_to_bus
from deploy.demo.api import Api, connect
from deploy.demo.target import Target, stack
from deploy.embedded.layout import Layout
from deploy.embedded.ports import free_ports
from deploy.embedded.stack import REGION
from libs.runtime.process.testing import eventually
from services.delivery.scheduling import permit_pool
from services.delivery.scheduling.rate import limits
from services.delivery.ses.account import SendQuota
from tests.environment import environment
from tests.faults.proxy import FaultProxy, before_socket
from tests.faults.stack import DIRECTORY

SETTINGS = {
    "GODWIT_REPLICAS_DELIVERY": "2",
    "GODWIT_REPLICAS_CONTACTS": "2",
    "GODWIT_UNKNOWN_GRACE": "5",
    "GODWIT_RETRY_DELAYS": "0.2,0.5,1,2,3,3,3,3,3,3",
    "GODWIT_API_RATE_LIMIT": "0",
    "GODWIT_LOG_LEVEL": "warning",
}
SERVICES = ("gateway-1", "contacts-1", "contacts-2", "campaigns-1", "workflows-1", "feedback-1")
SENDERS = ("delivery-1", "delivery-2")
SOCKET = ".s.PGSQL.5432"
ACTIVE_RELAY = 'godwit_relay_active{service="delivery"} 1.0'


class Rig:
    """A running stack. Processes have the names of their pid files."""

    def __init__(self, target: Target, api: Api, proxy: FaultProxy, faults: Path) -> None:
        self.target = target
        self.api = api
        self.proxy = proxy
        self.kills = 0
        self._faults = faults
        self._stopped: set[int] = set()

    # --- processes ---------------------------------------------------------------------------------------------------

    def pid_of(self, process: str) -> int | None:
        """Return the process id, or None while the process is being restarted."""
        try:
            return self.target.pid_of(process)
        except (FileNotFoundError, ValueError):
            return None

    def kill(self, process: str, number: signal.Signals = signal.SIGKILL) -> bool:
        """Send the signal. Return False if there is no such process right now."""
        pid = self.pid_of(process)
        if pid is None or not _signal(pid, number):
            return False
        self._stopped.discard(pid)
        self.kills += 1
        return True

    def pause(self, process: str) -> int | None:
        """Stop the process, and return the process id to resume."""
        pid = self.pid_of(process)
        if pid is None or not _signal(pid, signal.SIGSTOP):
            return None
        self._stopped.add(pid)
        return pid

    def resume(self, pid: int) -> None:
        if pid in self._stopped:
            self._stopped.discard(pid)
            _signal(pid, signal.SIGCONT)

    def arm(self, process: str, point: str) -> bool:
        """Restart the process now, and let it crash at the crash point."""
        (self._faults / f"{process}.crash").write_text(point)
        return self.kill(process)

    async def restart_armed(self, process: str, point: str) -> int:
        """Arm the process, and return the id of the process that will crash."""
        before = self.pid_of(process)
        self.arm(process, point)
        return await self.replaced(process, before)

    async def replaced(self, process: str, before: int | None, within: float = 10.0) -> int:
        """Wait until another process has replaced `before`, and return its id."""

        async def other() -> int | None:
            pid = self.pid_of(process)
            return None if pid == before else pid

        return await eventually(other, within, every=0.02)

    async def lose_stream(self, name: str) -> None:
        """Take a stream from the bus, as a lost disk would: no user of a running stack may delete one."""
        nats = self.pause("nats-1")
        shutil.rmtree(self.target.layout.nats / "jetstream" / "$G" / "streams" / name)
        self.kill("nats-1")
        await self.replaced("nats-1", nats)
        await eventually(self._bus_answers, within=30)

    async def _bus_answers(self) -> bool:
        try:
            async with self.bus() as client:
                await client.jetstream().account_info()
        except (OSError, NatsError):
            return False
        return True

    async def leads(self, process: str) -> bool:
        """Return whether this process's relay publishes the log of its service."""
        return ACTIVE_RELAY in await asyncio.to_thread(self._metrics, process)

    async def leader_of(self, processes: Sequence[str]) -> str:
        async def found() -> str | None:
            leading = [process for process in processes if await self.leads(process)]
            return leading[0] if leading else None

        return await eventually(found, within=30, every=0.3)

    def _metrics(self, process: str) -> str:
        port = self.target.endpoints.health_ports[process]
        try:
            return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2).text
        except httpx.TransportError:
            return ""

    async def operate(self, *command: str) -> str:
        """Run a `godwit` command on this stack, and return its output. Fail if the command fails."""
        return await asyncio.to_thread(self._operate, command)

    def _operate(self, command: Sequence[str]) -> str:
        with environment({"GODWIT_DATA_DIR": str(self.target.layout.root)}):
            done = subprocess.run([sys.executable, "-m", "deploy.cli", *command], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # --- SES and Postgres --------------------------------------------------------------------------------------------

    async def plant(self, fault: str, rate: float = 1.0, count: int | None = None) -> None:
        """Plant a fault in the sandbox's SendEmail."""
        await self.control("faults", {"fault": fault, "rate": rate} | ({"count": count} if count else {}))

    async def clear(self) -> None:
        """Remove all faults from SendEmail."""
        await self.api.sandbox_delete("/sandbox/faults")

    async def notify(self, mode: str) -> None:
        """Set how the sandbox sends notifications: on, paused, duplicated or shuffled."""
        await self.control("notifications", {"mode": mode})

    async def control(self, what: str, change: Mapping[str, Any]) -> Any:
        return await self.api.sandbox_post(f"/sandbox/{what}", change)

    async def allow(self, rate: float) -> None:
        """Set how many mails per second SES allows. The senders know at once instead of asking within seconds."""
        await self.control("account", {"maxSendRate": rate})
        async with self.database() as conn:
            await conn.execute("set search_path = delivery")
            await permit_pool.seed(conn, REGION, limits(SendQuota(per_second=rate, per_day=1e6, sent_today=0)))

    async def heal(self) -> None:
        """Undo every fault. The supervisor restarts killed processes by itself."""
        for pid in list(self._stopped):
            self.resume(pid)
        for armed in self._faults.glob("*.crash"):
            armed.unlink(missing_ok=True)
        self.proxy.heal()
        await self.clear()
        await self.notify("on")

    # --- connections -------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def database(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Connect as the owner of the database, without a proxy."""
        conn = await asyncpg.connect(self.target.endpoints.admin_database_url, timeout=10, command_timeout=60)
        try:
            yield conn
        finally:
            await conn.close(timeout=5)

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Client]:
        client = await connect_to_bus(self.target.endpoints.nats_url)
        try:
            yield client
        finally:
            await client.close()


def _signal(pid: int, number: signal.Signals) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


@asynccontextmanager
async def running(directory: Path, settings: Mapping[str, str] = SETTINGS) -> AsyncIterator[Rig]:
    """Run a separate stack in the directory, on its own ports."""
    faults, data = directory / "faults", directory / "data"
    faults.mkdir(parents=True)
    http, sandbox = free_ports(2)
    own = {
        "GODWIT_DATA_DIR": str(data),
        "GODWIT_HTTP_PORT": str(http),
        "GODWIT_SANDBOX_PORT": str(sandbox),
        DIRECTORY: str(faults),
    }
    layout = Layout.create(data)
    async with before_socket(layout.socket_dir / SOCKET, faults / SOCKET) as proxy:
        started = ExitStack()
        try:
            target = await asyncio.to_thread(_start, started, {**settings, **own})
            started.callback(_resume_all, target)
            async with connect(target) as api:
                yield Rig(target, api, proxy, faults)
        finally:  # in a thread: the proxy has to go on until the services have closed their connections
            await asyncio.to_thread(started.close)


def _start(started: ExitStack, settings: Mapping[str, str]) -> Target:
    with environment(settings):
        return started.enter_context(stack(("tests.faults.stack",)))


def _resume_all(target: Target) -> None:
    """Resume all paused processes: a paused process cannot handle SIGTERM."""
    for file in target.layout.run.glob("*.pid"):
        with suppress(OSError, ValueError):
            _signal(int(file.read_text()), signal.SIGCONT)
