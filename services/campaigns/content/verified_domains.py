"""The verified sender domains that commands need to know."""

from collections.abc import Sequence, Set
from typing import Any
from uuid import UUID

from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.campaigns.campaigns import CreateCampaign, UpdateCampaign
from libs.schemas.campaigns.templates import CreateTemplate, UpdateTemplate
from services.campaigns.content.read_models import sender_domain
from services.campaigns.content.rules import domain_of


async def load_verified_domains(
    conn: Connection, envelopes: Sequence[Envelope[Any]], stored: Set[tuple[UUID, str]]
) -> dict[UUID, frozenset[str]]:
    """Return, by project, the sender domains of these commands that are verified.

    `stored` are the (project, address) from which the templates or campaigns send before the commands.
    """
    given = {(envelope.project, address) for envelope in envelopes if (address := _sender(envelope.message))}
    domains = {(project, domain_of(address)) for project, address in given | stored}
    verified = await sender_domain.verified(conn, domains) if domains else {}
    return {envelope.project: frozenset(verified.get(envelope.project, ())) for envelope in envelopes}


def _sender(command: Any) -> str | None:
    match command:
        case CreateTemplate(content=content) | CreateCampaign(content=content):
            return content.from_email
        case UpdateTemplate(from_email=str() as address) | UpdateCampaign(from_email=str() as address):
            return address
    return None
