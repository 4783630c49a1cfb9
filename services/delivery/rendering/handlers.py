"""What the rendering folder handles."""

from libs.runtime.process.service import Handlers
from libs.schemas.delivery.content import PreviewMail, StoreFilePiece
from services.delivery.rendering.attachments import store_pieces
from services.delivery.rendering.preview import preview_mail
from services.delivery.rendering.read_models import content, project_language, recipient
from services.delivery.rendering.variables import Links


def handlers(links: Links) -> Handlers:
    return Handlers(
        commands={StoreFilePiece: store_pieces},
        queries={PreviewMail: preview_mail(links)},
        read_models=(recipient, content, project_language),
    )
