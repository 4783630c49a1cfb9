"""The open connections of the relay, and how many there may be: in all, of one address, and of one project.

When all places are taken, a client that has not logged in gives its place to the next one. So sockets that say nothing
keep nobody out.
"""

import asyncio
from typing import Protocol
from uuid import UUID

from prometheus_client import Gauge

from libs.runtime.messaging.project_slots import ProjectSlots
from services.gateway.accounts.failed_logins import FailedLogins
from services.gateway.accounts.keys import Keys
from services.gateway.smtp.parsing_pool import WAIT_SECONDS, ParsingPool
from services.gateway.smtp.send_client import SendClient

SMTP_SESSIONS = Gauge("godwit_smtp_sessions", "Connections of SMTP clients")

MAX_SESSIONS = 400
MAX_SESSIONS_PER_PEER = 100
MAX_SESSIONS_PER_PROJECT = 100
MAX_MESSAGES = 32
"""How many messages a process holds at once, each of up to 15 MiB."""

MAX_MESSAGES_PER_PROJECT = 8

CLOSING = b"421 4.3.2 the service is stopping: try again later\r\n"
FULL = b"421 4.3.2 too many connections: try again later\r\n"
FULL_PEER = b"421 4.7.0 too many connections from your address (limit: %d)\r\n" % MAX_SESSIONS_PER_PEER


class Connection(Protocol):
    """A connection, and what is known about its client. The project is None before the login."""

    peer: str
    project: UUID | None

    def abort(self) -> None: ...

    def close_when_idle(self) -> None: ...


class SmtpConnections:
    """What all connections share. `all_closed` is set while there is none."""

    def __init__(self, keys: Keys, client: SendClient, parsing: ParsingPool) -> None:
        self.keys = keys
        self.client = client
        self.failed_logins = FailedLogins("smtp")
        self.parsing = parsing
        self.messages = ProjectSlots(
            "SMTP messages",
            per_project=MAX_MESSAGES_PER_PROJECT,
            total=MAX_MESSAGES,
            max_waiting=MAX_SESSIONS_PER_PROJECT,
            max_wait=WAIT_SECONDS,
        )
        self.open: dict[Connection, None] = {}  # the oldest comes first
        self.all_closed = asyncio.Event()
        self.all_closed.set()
        self.closing = False

    def add(self, connection: Connection) -> bytes | None:
        """Add the connection, or return the reply with which it is refused."""
        if self.closing:
            return CLOSING
        if sum(each.peer == connection.peer for each in self.open) >= MAX_SESSIONS_PER_PEER:
            return FULL_PEER
        if len(self.open) >= MAX_SESSIONS and not self._make_room():
            return FULL
        self.open[connection] = None
        self.all_closed.clear()
        SMTP_SESSIONS.set(len(self.open))
        return None

    def remove(self, connection: Connection) -> None:
        self.open.pop(connection, None)
        if not self.open:
            self.all_closed.set()
        SMTP_SESSIONS.set(len(self.open))

    def may_log_in(self, project: UUID) -> bool:
        return sum(each.project == project for each in self.open) < MAX_SESSIONS_PER_PROJECT

    def _make_room(self) -> bool:
        """Close the oldest connection that has not logged in. Return whether there was one."""
        silent = next((each for each in self.open if each.project is None), None)
        if silent is not None:
            silent.abort()
            self.remove(silent)
        return silent is not None
