"""What the service handles about audiences."""

from libs.runtime.process.service import Handlers
from libs.schemas.campaigns.campaigns import CampaignSendingStarted
from services.contacts.audiences.queries import QUERIES
from services.contacts.audiences.resolving import ResolveAudience, resolve_pages, start_audiences


def handlers(page_size: int) -> Handlers:
    """Return the handlers. An audience is resolved in pages of `page_size` contacts."""
    return Handlers(
        reactions={CampaignSendingStarted: start_audiences},
        timers={ResolveAudience: resolve_pages(page_size)},
        queries=QUERIES,
    )
