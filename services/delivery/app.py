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
from services.delivery import (
    domains,
    emails,
    experiment,
    files,
    forgetting,
    holding,
    limiting,
    orders,
    pacing,
    preview,
    progress,
    queries,
    reactions,
    ses,
    suppressions,
)
from services.delivery.account_list import AccountList
from services.delivery.express import Desk
from services.delivery.guard import Guard
from services.delivery.identities import Identities
from services.delivery.mail import Links
from services.delivery.probe import Prober
from services.delivery.read_models import (
    campaign_experiment,
    campaign_hold,
    campaign_pace,
    campaign_policy,
    content,
    domain,
    paused_project,
    project_language,
    recipient,
    sending_limit,
    suppressed_address,
    suppression,
    suppression_rule,
)
from services.delivery.reconcile import Reconciler
from services.delivery.registrar import Registrar
from services.delivery.sender import Sender
from services.delivery.shelf import Shelf
from services.delivery.timing import timing
from services.delivery.upkeep import Upkeep, again_and_again

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
        mailer = await asyncio.to_thread(ses.connect, config, times)
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

    domain_commands = domains.commands(config.aws_region)
    domain_queries = domains.Queries(config.aws_region)
    settle = reactions.settle_proven(links, shelf, times)
    return Service(
        name="delivery",
        commands={
            **dict.fromkeys((SendEmail, SendEmails), orders.send_emails(untracked, desk)),
            **dict.fromkeys((CancelEmail, ResendEmail), emails.change_emails(shelf)),
            StoreFilePiece: files.store_pieces,
            **dict.fromkeys((AddDomain, VerifyDomain, RemoveDomain), domain_commands),
            **dict.fromkeys(
                (CreateSuppressionRule, UpdateSuppressionRule, DeleteSuppressionRule), suppressions.rules()
            ),
            SetSendingLimits: limiting.set_sending_limits(),
            SuppressAddresses: suppressions.suppress_addresses,
            ReleaseAddress: suppressions.release_addresses,
        },
        reactions={
            AudiencePageResolved: reactions.queue_page,
            EmailRequested: reactions.queue_step,
            ContactDeleted: forgetting.begin(shelf),
            CampaignWinnerDecided: experiment.begin,
            **dict.fromkeys((CampaignPaused, CampaignResumed, CampaignCancelled), holding.begin),
            **dict.fromkeys(PROOFS, settle),
        },
        queries={
            CheckOrder: orders.check_order(untracked),
            GetEmail: queries.get_email,
            ListEmails: queries.list_emails,
            GetLedger: queries.get_ledger,
            GetOutgoing: queries.get_sending,
            PreviewMail: preview.preview_mail(links),
            FindSuppressed: suppressions.find_suppressed,
            GetSendingState: progress.get_sending_state(config.aws_region),
            ListDomains: domain_queries.list,
            GetDomain: domain_queries.get,
            GetSendingLimits: limiting.get_sending_limits,
            ListSuppressionRules: suppressions.list_rules,
            PreviewSuppression: suppressions.preview,
            ListSuppressedAddresses: suppressions.list_addresses,
        },
        timers={
            forgetting.ForgetMails: forgetting.again(shelf),
            holding.SweepCampaign: holding.sweep(shelf),
            pacing.PlaceCampaign: pacing.place_campaigns,
            limiting.MoveMails: limiting.move_mails,
            experiment.CallRest: experiment.call,
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
