"""What the reconciliation folder handles."""

from libs.runtime.process.loops import repeat
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Handlers
from services.delivery.ledger.timing import Timing
from services.delivery.reconciliation.probe import Prober
from services.delivery.reconciliation.proofs import PROOFS, settle_proven
from services.delivery.reconciliation.reconciler import Reconciler
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.rendering.renderer import Renderer
from services.delivery.rendering.variables import Links
from services.delivery.sender.mailer import mailer_of
from services.delivery.sender.restore_guard import RestoreGuard
from services.delivery.ses.connection import SesConnection


def handlers(
    ses: SesConnection, cache: ContentCache, links: Links, renderer: Renderer, timing: Timing, guard: RestoreGuard
) -> Handlers:
    async def probe(runtime: Runtime) -> None:
        mailer = mailer_of(await ses.client(), runtime.settings, renderer, timing)
        await repeat(Prober(runtime, mailer, cache, timing, guard).probe, timing.probe_every)

    async def reconcile(runtime: Runtime) -> None:
        await Reconciler(runtime, links, cache, timing).run()

    return Handlers(reactions=dict.fromkeys(PROOFS, settle_proven(links, cache, timing)), work=(probe, reconcile))
