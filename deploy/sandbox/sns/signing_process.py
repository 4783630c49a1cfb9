"""Sign what arrives on standard input, in a separate process: `python -P signing_process.py <key.pem>`.

A batch is a count followed by that many texts, each preceded by its length; the answer is the same number of
signatures. Lengths and counts have four bytes. It imports nothing else of the sandbox, so that it starts at once.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path
from struct import Struct
from typing import BinaryIO

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

NICENESS = 10
"""Signing is most of the sandbox's work and the least urgent."""

NUMBER = Struct(">I")


def main() -> None:
    """Serve until the input ends."""
    _lower_priority()
    key = serialization.load_pem_private_key(Path(sys.argv[1]).read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)  # the only kind that the sandbox writes
    texts, signatures = sys.stdin.buffer, sys.stdout.buffer
    while count := _number(texts):
        for _ in range(count):
            signatures.write(key.sign(texts.read(_number(texts)), padding.PKCS1v15(), hashes.SHA256()))
        signatures.flush()


def _lower_priority() -> None:
    """Give way to everything else.

    Linux may schedule sessions before it considers the processes in them (autogroups), so this process gets its own
    session, and that session gets the same niceness.
    """
    os.setsid()
    os.nice(NICENESS)
    with suppress(OSError):  # the file does not exist everywhere, and may not be writable
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def _number(source: BinaryIO) -> int:
    """Read a number, or return 0 at the end of the input."""
    read = source.read(NUMBER.size)
    return int(NUMBER.unpack(read)[0]) if len(read) == NUMBER.size else 0


if __name__ == "__main__":
    main()
