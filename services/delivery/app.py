"""The delivery service, put together."""

import asyncio
from pathlib import Path

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.service import Service
from libs.runtime.process.settings import Settings
from libs.schemas.base import Event
from libs.schemas.campaigns.campaigns import (
    CampaignCancelled,
    CampaignPaused,
    CampaignResumed,
    CampaignWinnerDecided,
)
from libs.schemas.contacts.contacts import AudiencePageResolved, ContactDeleted
from libs.schemas.delivery.content import PreviewMail, StoreFilePiece
from libs.schemas.delivery.domains import (
    AddDomain,
    GetDomain,
    ListDomains,
    RemoveDomain,
    VerifyDomain,
)
from libs.schemas.delivery.emails import (
    CancelEmail,
    CheckOrder,
    FindSuppressed,
    GetEmail,
    ListEmails,
    ResendEmail,
    SendEmail,
    SendEmails,
)
from libs.schemas.delivery.sending import GetLedger, GetOutgoing, GetSendingState
from libs.schemas.delivery.sending_limits import GetSendingLimits, SetSendingLimits
from libs.schemas.delivery.suppressions import (
    CreateSuppressionRule,
    DeleteSuppressionRule,
    ListSuppressedAddresses,
    ListSuppressionRules,
    PreviewSuppression,
    ReleaseAddress,
    SuppressAddresses,
    UpdateSuppressionRule,
)
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailConfirmed,
    EmailDelayed,
    EmailOpened,
    EmailRejected,
)
from libs.schemas.workflows import EmailRequested
from services.delivery.domains import commands as domain_commands
from services.delivery.domains.domain_verifier import Registrar
from services.delivery.domains.read_models import domain
from services.delivery.intake import commands as intake_commands
from services.delivery.intake import reactions
from services.delivery.intake.fast_path import Desk
from services.delivery.ledger import commands as email_commands
from services.delivery.ledger import queries
from services.delivery.ledger.mail import Links
from services.delivery.ledger.read_models import campaign_policy
from services.delivery.ledger.timing import timing
from services.delivery.reconciliation.probe import Prober
from services.delivery.reconciliation.reconciler import Reconciler
from services.delivery.rendering import attachments, preview
from services.delivery.rendering.content_cache import Shelf
from services.delivery.rendering.read_models import content, project_language, recipient
from services.delivery.scheduling import (
    ab_test,
    campaign_holds,
    campaign_schedules,
    limits,
    progress,
)
from services.delivery.scheduling.read_models import (
    campaign_experiment,
    campaign_hold,
    campaign_pace,
    paused_project,
    sending_limit,
)
from services.delivery.sender.maintenance import Upkeep, again_and_again
from services.delivery.sender.restore_guard import Guard
from services.delivery.sender.sender import Sender
from services.delivery.ses import client
from services.delivery.ses.identities import Identities
from services.delivery.suppression import commands as suppression_commands
from services.delivery.suppression import forgetting
from services.delivery.suppression.account_list import AccountList
from services.delivery.suppression.read_models import suppressed_address, suppression, suppression_rule

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
    desk = Desk()
    untracked = bool(config.configuration_set_untracked)

    async def send(runtime: Runtime) -> None:
        mailer = await asyncio.to_thread(client.connect, config, times)
        guard = Guard(runtime)
        desk.sender = Sender(runtime, mailer, shelf, times, guard)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(guard.run())
            tasks.create_task(desk.sender.run())
            tasks.create_task(Upkeep(runtime, mailer, shelf).run())
            tasks.create_task(again_and_again(Prober(runtime, mailer, shelf, times, guard).probe, times.probe_every))
            tasks.create_task(AccountList(runtime, mailer.client).run())
            tasks.create_task(Registrar(runtime, Identities(mailer.client, config.mail_from_subdomain)).run())

    async def reconcile(runtime: Runtime) -> None:
        await Reconciler(runtime, links, shelf, times).run()

    on_domains = domain_commands.commands(config.aws_region)
    domain_queries = domain_commands.Queries(config.aws_region)
    settle = reactions.settle_proven(links, shelf, times)
    return Service(
        name="delivery",
        commands={
            **dict.fromkeys((SendEmail, SendEmails), intake_commands.send_emails(untracked, desk)),
            **dict.fromkeys((CancelEmail, ResendEmail), email_commands.change_emails(shelf)),
            StoreFilePiece: attachments.store_pieces,
            **dict.fromkeys((AddDomain, VerifyDomain, RemoveDomain), on_domains),
            **dict.fromkeys(
                (CreateSuppressionRule, UpdateSuppressionRule, DeleteSuppressionRule), suppression_commands.rules()
            ),
            SetSendingLimits: limits.set_sending_limits(),
            SuppressAddresses: suppression_commands.suppress_addresses,
            ReleaseAddress: suppression_commands.release_addresses,
        },
        reactions={
            AudiencePageResolved: reactions.queue_page,
            EmailRequested: reactions.queue_step,
            ContactDeleted: forgetting.begin(shelf),
            CampaignWinnerDecided: ab_test.begin,
            **dict.fromkeys((CampaignPaused, CampaignResumed, CampaignCancelled), campaign_holds.begin),
            **dict.fromkeys(PROOFS, settle),
        },
        queries={
            CheckOrder: intake_commands.check_order(untracked),
            GetEmail: queries.get_email,
            ListEmails: queries.list_emails,
            GetLedger: queries.get_ledger,
            GetOutgoing: queries.get_sending,
            PreviewMail: preview.preview_mail(links),
            FindSuppressed: suppression_commands.find_suppressed,
            GetSendingState: progress.get_sending_state(config.aws_region),
            ListDomains: domain_queries.list,
            GetDomain: domain_queries.get,
            GetSendingLimits: limits.get_sending_limits,
            ListSuppressionRules: suppression_commands.list_rules,
            PreviewSuppression: suppression_commands.preview,
            ListSuppressedAddresses: suppression_commands.list_addresses,
        },
        timers={
            forgetting.ForgetMails: forgetting.again(shelf),
            campaign_holds.SweepCampaign: campaign_holds.sweep(shelf),
            campaign_schedules.PlaceCampaign: campaign_schedules.place_campaigns,
            limits.MoveMails: limits.move_mails,
            ab_test.CallRest: ab_test.call,
        },
        read_models=(
            recipient,
            content,
            suppression,
            suppressed_address,
            suppression_rule,
            sending_limit,
            campaign_hold,
            campaign_pace,
            campaign_policy,
            campaign_experiment,
            domain,
            project_language,
            paused_project,
        ),
        migrations=MIGRATIONS,
        work=(send, reconcile),
    )
