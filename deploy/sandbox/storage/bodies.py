"""The bodies of the accepted messages: one append-only file, read by offset.

SQLite would write each body twice, checksum it, and pass it through its cache; here it costs one write.
"""

import os
from pathlib import Path

import msgspec


class Extent(msgspec.Struct, frozen=True):
    offset: int
    size: int


class Bodies:
    """The file of bodies. `end` is where the last body in the ledger ends; anything after it was never acknowledged."""

    def __init__(self, path: Path, end: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(self._file, end)
        self._end = end

    def reserve(self, body: bytes) -> Extent:
        """Return where this body will be once it is written."""
        place = Extent(self._end, len(body))
        self._end += len(body)
        return place

    def write(self, bodies: list[bytes], first: Extent) -> None:
        """Write bodies that were reserved one after another. Block until they are on disk."""
        content, written = b"".join(bodies), 0
        while written < len(content):
            written += os.pwrite(self._file, content[written:], first.offset + written)
        os.fdatasync(self._file)

    def read(self, place: Extent) -> bytes:
        return os.pread(self._file, place.size, place.offset)

    def close(self) -> None:
        os.close(self._file)
