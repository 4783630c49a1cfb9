"""The delivery service, put together."""

from pathlib import Path

from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings, require_own_link_key
from services.delivery.domains import handlers as domains
from services.delivery.intake import handlers as intake
from services.delivery.intake.fast_path import FastPath
from services.delivery.ledger import handlers as ledger
from services.delivery.ledger.timing import timing
from services.delivery.reconciliation import handlers as reconciliation
from services.delivery.rendering import handlers as rendering
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.rendering.renderer import Renderer
from services.delivery.rendering.variables import Links
from services.delivery.scheduling import handlers as scheduling
from services.delivery.sender import handlers as sender
from services.delivery.sender.restore_guard import RestoreGuard
from services.delivery.ses.connection import SesConnection
from services.delivery.suppression import handlers as suppression

MIGRATIONS = Path(__file__).parent / "migrations"


def build(config: Settings) -> Service:
    """Return the service, with one instance of each object that several folders share."""
    require_own_link_key(config)
    times = timing(config.unknown_grace)
    links = Links(config.public_url, config.link_keys)
    cache = ContentCache()
    renderer = Renderer(links)
    ses = SesConnection(config, times.connect, times.read)
    guard = RestoreGuard(config)
    fast_path = FastPath()
    return Service.of(
        "delivery",
        MIGRATIONS,
        ledger.HANDLERS,
        rendering.handlers(links, renderer),
        domains.handlers(config, ses),
        suppression.handlers(ses),
        scheduling.handlers(config),
        sender.handlers(ses, cache, renderer, times, guard, on_start=fast_path.connect),
        reconciliation.handlers(ses, cache, links, renderer, times, guard),
        intake.handlers(config, fast_path),
    )
