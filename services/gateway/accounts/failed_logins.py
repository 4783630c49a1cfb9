"""Failed log-ins: counted, and logged with the peer but without anything of what it sent as a secret."""

import time

import structlog
from prometheus_client import Counter

log = structlog.get_logger()

FAILED_LOGINS = Counter(
    "godwit_failed_logins_total",
    "Requests and SMTP log-ins without a valid key, by door and reason",
    ["door", "reason"],
)
LINES_PER_MINUTE = 60
"""More are only counted: whoever guesses keys must not fill the disk."""


class FailedLogins:
    """Counts every failed log-in at one door (`http`, `smtp`), and logs the first of each minute."""

    def __init__(self, door: str) -> None:
        self._door = door
        self._minute = 0
        self._lines = 0

    def note(self, reason: str, peer: object) -> None:
        """Count a failed log-in. `peer` is the address that asyncio or ASGI gives, with the port after the host."""
        FAILED_LOGINS.labels(self._door, reason).inc()
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._lines = minute, 0
        self._lines += 1
        if self._lines <= LINES_PER_MINUTE:
            host = peer[0] if isinstance(peer, tuple | list) and peer else peer
            log.warning("login.failed", door=self._door, reason=reason, peer=host)
