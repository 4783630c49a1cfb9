"""The listening sockets of a process, and a server that stops when the service tells it to."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn


class Server(uvicorn.Server):
    """A server that runs until `should_exit` is set. It ignores signals: the service stops its parts in order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(host: str, port: int, shared: bool = False) -> socket.socket:
    """Return a socket that is bound to this address. Raise OSError.

    If it is `shared`, replicas can bind the address too, and the kernel spreads the connections. uvicorn does not bind
    it here, because uvicorn exits the process at once if the address is in use.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
    return listener
