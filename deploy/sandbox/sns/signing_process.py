"""Signs what it reads from standard input, in a process of its own: `python -P signatory.py <key.pem>`.

A batch comes as a count and so many texts, each after its length; it is answered by so many signatures. Lengths and
counts have four bytes. It imports nothing of the sandbox, so that it starts at once.
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
"""Signing is most of the work of the sandbox and none of the hurry."""

NUMBER = Struct(">I")


def main() -> None:
    """Serves until its input ends."""
    _lower_priority()
    key = serialization.load_pem_private_key(Path(sys.argv[1]).read_bytes(), password=None)
    assert isinstance(key, rsa.RSAPrivateKey)  # the only kind that the sandbox writes
    texts, signatures = sys.stdin.buffer, sys.stdout.buffer
    while count := _number(texts):
        for _ in range(count):
            signatures.write(key.sign(texts.read(_number(texts)), padding.PKCS1v15(), hashes.SHA256()))
        signatures.flush()


def _lower_priority() -> None:
    """Let everything else go first. Linux may share processors among sessions before it looks at their processes: so
    this one has a session of its own, and that is told the same."""
    os.setsid()
    os.nice(NICENESS)
    with suppress(OSError):  # elsewhere there is no such file, or nobody may write it
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def _number(source: BinaryIO) -> int:
    """0 at the end."""
    read = source.read(NUMBER.size)
    return int(NUMBER.unpack(read)[0]) if len(read) == NUMBER.size else 0


if __name__ == "__main__":
    main()
