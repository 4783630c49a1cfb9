"""What the rendering folder handles."""

import asyncio

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Handlers
from libs.schemas.delivery.content import PreviewMail, StoreFilePiece
from services.delivery.rendering.attachments import store_pieces
from services.delivery.rendering.preview import preview_mail
from services.delivery.rendering.read_models import content, project_language, recipient
from services.delivery.rendering.renderer import Renderer
from services.delivery.rendering.variables import Links


def handlers(links: Links, renderer: Renderer) -> Handlers:
    async def end_workers(_: Runtime) -> None:
        """End the worker processes with the service."""
        try:
            await asyncio.Event().wait()
        finally:
            renderer.close()

    return Handlers(
        commands={StoreFilePiece: store_pieces},
        queries={PreviewMail: preview_mail(links, renderer)},
        read_models=(recipient, content, project_language),
        work=(end_workers,),
    )
