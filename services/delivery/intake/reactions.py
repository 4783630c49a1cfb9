"""What other services' facts mean for delivery: mails to be sent, and proof that mails were sent."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import BatchHandler, Connection, UnitOfWork
from libs.schemas.contacts.contacts import AudienceMember, AudiencePageResolved
from libs.schemas.delivery.content import Kind
from libs.schemas.delivery.emails import EmailQueued
from libs.schemas.feedback.mails import (
    EmailBounced,
    EmailClicked,
    EmailComplained,
    EmailConfirmed,
    EmailOpened,
    FeedbackEvent,
)
from libs.schemas.workflows import EmailRequested
from services.delivery.intake import intents
from services.delivery.intake.intents import Intent
from services.delivery.ledger import ledger, metrics
from services.delivery.ledger.email import UNSETTLED, prove
from services.delivery.ledger.mail import Links
from services.delivery.ledger.timing import Timing
from services.delivery.rendering.content_cache import Shelf
from services.delivery.rendering.message import subject_of
from services.delivery.rendering.read_models import content as contents
from services.delivery.scheduling import campaign_holds, campaign_schedules
from services.delivery.scheduling.read_models import campaign_experiment
from services.delivery.scheduling.read_models.campaign_experiment import Test
from services.delivery.suppression import account_list

# Notes every id under which SES took a mail. A claim that a notification proves is looked at soon: if its sender lives
# it records the outcome itself before that.
PROVE = """
with proof as materialized (
    select id, project, array_agg(distinct message_id) as message_ids
    from unnest($1::uuid[], $2::uuid[], $3::text[]) as new (id, project, message_id)
    group by id, project
), locked as materialized (
    select email.id from email join proof on proof.id = email.id and proof.project = email.project
    where not proof.message_ids <@ email.message_ids
    order by email.id for update of email
)
update email set
    message_ids = email.message_ids || array(select unnest(proof.message_ids) except select unnest(email.message_ids)),
    due_at = case when email.state = 'claimed' then least(email.due_at, clock_timestamp() + interval '2 seconds')
        else email.due_at end
from proof, locked
where email.id = proof.id and locked.id = proof.id
returning email.id, email.state, cardinality(email.message_ids) as taken
"""


async def queue_page(unit: UnitOfWork, envelopes: Sequence[Envelope[AudiencePageResolved]]) -> None:
    """Each person on the page gets the campaign's mail, once: who must not get it is decided when it is claimed.

    Of a campaign with an A/B test, those who are not in it get their mail when its winner is decided.
    """
    campaigns = {(e.project, e.message.campaign_id) for e in envelopes}
    tests = await campaign_experiment.look(unit.conn, campaigns)
    kinds = await _kinds(unit.conn, campaigns) | {campaign_id: test.kind for campaign_id, test in tests.items()}
    undecided = _undecided(envelopes, tests)
    page = [
        _campaign_intent(envelope, member, kinds.get(envelope.message.campaign_id, "MARKETING"), undecided)
        for envelope in envelopes
        for member in envelope.message.members
    ]
    await intents.queue(unit, page)
    await campaign_holds.sweep_again(unit, envelopes)
    await _place(unit, [envelope for envelope in envelopes if envelope.message.members])


async def queue_step(unit: UnitOfWork, envelopes: Sequence[Envelope[EmailRequested]]) -> None:
    """A workflow's execution reached a step that sends a mail."""
    kinds = await _kinds(unit.conn, {(e.project, e.message.template_id) for e in envelopes})
    steps = [_workflow_intent(e, kinds.get(e.message.template_id, "MARKETING")) for e in envelopes]
    await intents.queue(unit, steps)


def settle_proven(links: Links, shelf: Shelf, timing: Timing) -> BatchHandler:
    """Every notification proves that SES has the mail: what was unknown, or waits to be sent again, is sent."""

    async def settle(unit: UnitOfWork, envelopes: Sequence[Envelope[FeedbackEvent]]) -> None:
        told = [e.message for e in envelopes]
        projects = [e.project for e in envelopes]
        ids = [event.email_id for event in told]
        rows = await unit.conn.fetch(PROVE, ids, projects, [event.message_id for event in told])
        metrics.DUPLICATES.inc(sum(row["taken"] > 1 for row in rows))
        unsettled = [row["id"] for row in rows if row["state"] in UNSETTLED]
        mails = await ledger.load(unit.conn, unsettled, shelf)
        await ledger.apply(unit, [(mail, prove(mail, subject_of(mail, links))) for mail in mails])
        late = any(_is_late(event, unit.now, timing) for event in told)
        await ledger.hear(unit.conn, max(event.at for event in told), late)
        await _tell_ses(unit.conn, told)

    return settle


def _is_late(event: FeedbackEvent, now: datetime, timing: Timing) -> bool:
    """Only of these SES tells at once: a bounce or a complaint is dated by the mailbox's provider."""
    prompt = isinstance(event, EmailConfirmed | EmailOpened | EmailClicked)
    return prompt and now - event.at > timedelta(seconds=timing.late_after)


async def _tell_ses(conn: Connection, told: Sequence[FeedbackEvent]) -> None:
    """Of mailboxes that do not exist, and of people who complained: its own list may be off, or another account's."""
    bounced = {e.recipient for e in told if isinstance(e, EmailBounced) and e.bounce_type == "Permanent"}
    complained = {e.recipient for e in told if isinstance(e, EmailComplained)}
    await account_list.tell(conn, {address.lower() for address in bounced if address}, "BOUNCE")
    await account_list.tell(conn, {address.lower() for address in complained if address}, "COMPLAINT")


def _undecided(envelopes: Sequence[Envelope[AudiencePageResolved]], tests: Mapping[UUID, Test]) -> set[UUID]:
    """The campaigns whose test has no winner yet. A page may come before its campaign is known to have one."""
    known = {campaign_id for campaign_id, test in tests.items() if not test.decided}
    unknown = [e.message for e in envelopes if e.message.campaign_id not in tests]
    return known | {page.campaign_id for page in unknown if any(member.variant for member in page.members)}


async def _kinds(conn: Connection, wanted: set[tuple[UUID, UUID]]) -> dict[UUID, Kind]:
    return {content_id: content.kind for content_id, content in (await contents.find(conn, wanted)).items()}


async def _place(unit: UnitOfWork, envelopes: Sequence[Envelope[AudiencePageResolved]]) -> None:
    causes = {(envelope.project, envelope.message.campaign_id): envelope for envelope in reversed(envelopes)}
    first = {key: min(m.contact_id for m in causes[key].message.members) for key in causes}
    await campaign_schedules.begin(unit, causes, first)


def _campaign_intent(envelope: Envelope[Any], member: AudienceMember, kind: Kind, undecided: set[UUID]) -> Intent:
    queued = EmailQueued(
        email_id=uuid7(),
        contact_id=member.contact_id,
        source="CAMPAIGN",
        campaign_id=envelope.message.campaign_id,
        recipient=member.email,
        kind=kind,
    )
    waits = member.variant is None and envelope.message.campaign_id in undecided
    return Intent(queued, envelope, variant=member.variant, waits=waits)


def _workflow_intent(envelope: Envelope[EmailRequested], kind: Kind) -> Intent:
    requested = envelope.message
    queued = EmailQueued(
        email_id=requested.email_id,
        contact_id=requested.contact_id,
        source="WORKFLOW",
        workflow_id=requested.workflow_id,
        execution_id=requested.execution_id,
        step_id=requested.step_id,
        template_id=requested.template_id,
        recipient=requested.email,
        data=requested.context,
        kind=kind,
    )
    return Intent(queued, envelope)
