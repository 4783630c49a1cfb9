"""Ports on the loopback interface: pick one for every part without a setting, and check the configured ones."""

import errno
import http.client
import random
import socket
import time
from collections.abc import Collection
from itertools import islice

from deploy.embedded.errors import CannotStart

LOOPBACK = "127.0.0.1"

PORT_RANGE = range(20_000, 30_000)
"""Below the kernel's range for outgoing connections: such a connection can neither take the port of a part that is
being restarted, nor, while that part is down, end up connected to itself."""

REACHED_BY = {"0.0.0.0": LOOPBACK, "::": "::1"}  # noqa: S104 -- nothing is bound to them here
"""The address for reaching a part that listens on every address."""

ANSWER_LIMIT = 0.5
"""Seconds that a part has to answer whether it is ready."""


_reservations: list[socket.socket] = []
"""One socket per port given out. Without it, two stacks that start at the same moment could get the same port, because
nobody listens on it yet."""


def free_ports(count: int, besides: Collection[int] = ()) -> list[int]:
    """Return `count` different ports that nobody listens on, excluding `besides`.

    They stay reserved while this process lives: `free_ports` gives them to no other process on this machine.
    """
    candidates = (port for port in random.sample(PORT_RANGE, len(PORT_RANGE)) if port not in besides)
    found = list(islice((port for port in candidates if listening_error(port) is None and _reserve(port)), count))
    if len(found) < count:
        raise CannotStart(
            f"no {count} free ports between {PORT_RANGE.start} and {PORT_RANGE.stop}: stop what uses them"
        )
    return found


def _reserve(port: int) -> bool:
    """Bind the datagram port of the same number, which no part uses. Return whether it was still free."""
    reservation = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        reservation.bind((LOOPBACK, port))
    except OSError:
        reservation.close()
        return False
    _reservations.append(reservation)
    return True


def require_free(port: int, setting: str, host: str = LOOPBACK, patience: float = 2.0) -> None:
    """Raise CannotStart, naming the setting, if the port cannot be listened on within `patience` seconds.

    Parts of a stack whose supervisor was just killed may still be shutting down.
    """
    deadline = time.monotonic() + patience
    while (problem := listening_error(port, host)) == errno.EADDRINUSE and time.monotonic() < deadline:
        time.sleep(0.05)
    if problem == errno.EADDRINUSE:
        raise CannotStart(f"port {port} is taken: stop what listens there, or choose another with {setting}")
    if problem is not None:
        raise CannotStart(f"port {port} cannot be opened ({errno.errorcode[problem]}): choose another with {setting}")


def listening_error(port: int, host: str = LOOPBACK) -> int | None:
    """Return the errno of listening on the port, or None if it works."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error.errno
    return None


def answers(port: int, path: str, host: str = LOOPBACK) -> bool:
    """Return whether a GET request is answered with 200."""
    connection = http.client.HTTPConnection(REACHED_BY.get(host, host), port, timeout=ANSWER_LIMIT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
