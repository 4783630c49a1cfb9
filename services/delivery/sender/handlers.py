"""What the sender folder handles."""

import asyncio
from collections.abc import Callable

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Handlers
from libs.schemas.delivery.sending import GetOutgoing
from services.delivery.ledger.timing import Timing
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.rendering.renderer import Renderer
from services.delivery.sender.mailer import mailer_of
from services.delivery.sender.maintenance import Maintenance
from services.delivery.sender.queries import get_outgoing
from services.delivery.sender.restore_guard import RestoreGuard
from services.delivery.sender.sender import Sender
from services.delivery.ses.connection import SesConnection


def handlers(
    ses: SesConnection,
    cache: ContentCache,
    renderer: Renderer,
    timing: Timing,
    guard: RestoreGuard,
    on_start: Callable[[Sender], None],
) -> Handlers:
    """Return the handlers; `on_start` gets the sender once it runs."""

    async def send(runtime: Runtime) -> None:
        client = await ses.client()
        sender = Sender(runtime, mailer_of(client, runtime.settings, renderer, timing), cache, timing, guard)
        on_start(sender)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sender.run())
            tasks.create_task(Maintenance(runtime, client).run())

    return Handlers(queries={GetOutgoing: get_outgoing}, work=(guard.run, send))
