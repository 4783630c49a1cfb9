"""Have envelopes signed by a separate process, in batches when many are waiting.

In a thread of the sandbox, signing would hold up senders: a low-priority thread keeps the interpreter's lock while
others preempt it.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from deploy.sandbox.sns import signing_process
from deploy.sandbox.sns.envelopes import Envelope, Signer, string_to_sign

BATCH = 16
SIGNING_TIMEOUT = 30.0
"""Seconds for a batch: the signing process yields to everything else."""

PendingSignature = tuple[Envelope, "asyncio.Future[Envelope]"]


class SigningClient:
    """Signs envelopes through the signing process."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self._waiting: deque[PendingSignature] = deque()
        self._working: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def sign(self, envelope: Envelope) -> Envelope:
        """Return the signed envelope. Raise if the signing process has died; the next envelope starts another one."""
        signed: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._waiting.append((envelope, signed))
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await signed

    async def stop(self) -> None:
        """Stop signing, including what is waiting."""
        self._waiting.clear()
        if self._working:
            self._working.cancel()
        await self._end()

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            try:
                async with asyncio.timeout(SIGNING_TIMEOUT):
                    signatures = await self._signatures([string_to_sign(envelope) for envelope, _ in batch])
            except Exception as failure:  # whatever it is, the waiting callers must get it
                await self._end()
                _resolve(batch, failure)
            else:
                _resolve(
                    batch, [self._signer.signed(each, by) for (each, _), by in zip(batch, signatures, strict=True)]
                )

    async def _signatures(self, texts: Sequence[bytes]) -> list[bytes]:
        process = self._process = self._process or await self._start()
        assert process.stdin and process.stdout  # both are pipes
        number, size = signing_process.NUMBER.pack, self._signer.size
        process.stdin.write(number(len(texts)) + b"".join(number(len(text)) + text for text in texts))
        signed = await process.stdout.readexactly(size * len(texts))
        return [signed[start : start + size] for start in range(0, len(signed), size)]

    async def _start(self) -> asyncio.subprocess.Process:
        """Start the signing process. It ends when its input does, and so with the sandbox, however that ends."""
        command = [sys.executable, "-P", str(Path(signing_process.__file__)), str(self._signer.key_file)]
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process and process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _resolve(batch: Sequence[PendingSignature], outcome: Sequence[Envelope] | Exception) -> None:
    for place, (_, signed) in enumerate(batch):
        if signed.done():  # the waiting caller gave up
            continue
        if isinstance(outcome, Exception):
            signed.set_exception(outcome)
        else:
            signed.set_result(outcome[place])
