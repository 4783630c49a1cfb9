"""The connection to SES that all parts of a process share."""

import asyncio

from libs.runtime.process.settings import Settings
from services.delivery.ses.client import SesClient, connect


class SesConnection:
    """Makes the client once, when it is first needed. `connect` and `read` are timeouts in seconds."""

    def __init__(self, config: Settings, connect: float, read: float) -> None:
        self._config = config
        self._timeouts = connect, read
        self._connecting: asyncio.Future[SesClient] | None = None

    async def client(self) -> SesClient:
        """Return the client. It is made in a thread, because botocore reads its service models from files."""
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(asyncio.to_thread(connect, self._config, *self._timeouts))
        return await asyncio.shield(self._connecting)
