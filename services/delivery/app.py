"""The delivery service, put together."""

import asyncio
from pathlib import Path

from libs.runtime.service import Runtime, Service
from libs.runtime.settings import Settings
from libs.schemas.base import Event
from libs.schemas.campaigns import CampaignCancelled, CampaignPaused, CampaignResumed
from libs.schemas.contacts import AudiencePageResolved
from libs.schemas.delivery import AddDomain, GetEmail, GetLedger, ListDomains, ListEmails, SendEmail
from libs.schemas.feedback import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailConfirmed,
    EmailDelayed,
    EmailOpened,
    EmailRejected,
)
from libs.schemas.workflows import EmailRequested
from services.delivery import holding, queries, reactions, ses
from services.delivery.commands import add_domains, send_emails
from services.delivery.mail import Links
from services.delivery.read_models import campaign_hold, content, domain, recipient, suppression
from services.delivery.reconcile import Reconciler
from services.delivery.sender import Sender
from services.delivery.shelf import Shelf
from services.delivery.timing import timing
from services.delivery.upkeep import Upkeep

MIGRATIONS = Path(__file__).parent / "migrations"

# The first notification of a mail, whichever it is, brings email.confirmed; the later ones show that they still flow.
# Deliveries are left out: they follow the confirmation in moments, and would double the work.
PROOFS: tuple[type[Event], ...] = (
    EmailConfirmed,
    EmailOpened,
    EmailClicked,
    EmailBounced,
    EmailComplained,
    EmailDelayed,
    EmailRejected,
)


def build(config: Settings) -> Service:
    times = timing(config.unknown_grace)
    links = Links(config.public_url, config.link_key)
    shelf = Shelf()

    async def send(runtime: Runtime) -> None:
        mailer = await asyncio.to_thread(ses.connect, config, times)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(Sender(runtime, mailer, shelf, times).run())
            tasks.create_task(Upkeep(runtime, mailer, shelf).run())

    async def reconcile(runtime: Runtime) -> None:
        await Reconciler(runtime, links, shelf, times).run()

    settle = reactions.settle_proven(links, shelf)
    return Service(
        name="delivery",
        commands={SendEmail: send_emails, AddDomain: add_domains()},
        reactions={
            AudiencePageResolved: reactions.queue_page,
            EmailRequested: reactions.queue_step,
            **dict.fromkeys((CampaignPaused, CampaignResumed, CampaignCancelled), holding.begin),
            **dict.fromkeys(PROOFS, settle),
        },
        queries={
            GetEmail: queries.get_email,
            ListEmails: queries.list_emails,
            GetLedger: queries.get_ledger,
            ListDomains: queries.list_domains,
        },
        timers={holding.SweepCampaign: holding.sweep(shelf)},
        read_models=(recipient, content, suppression, campaign_hold, domain),
        migrations=MIGRATIONS,
        work=(send, reconcile),
    )
