"""Queues mails that other services request: pages of campaigns, and steps of workflows."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.contacts.contacts import AudienceMember, AudiencePageResolved
from libs.schemas.delivery.content import Kind, MailOptions
from libs.schemas.delivery.emails import EmailQueued
from libs.schemas.workflows import EmailRequested
from services.delivery.intake import intents
from services.delivery.intake.intents import Intent
from services.delivery.rendering.read_models import content as contents
from services.delivery.scheduling import campaign_holds, campaign_schedules
from services.delivery.scheduling.read_models import campaign_experiment
from services.delivery.scheduling.read_models.campaign_experiment import AbTest

UNTRUSTED = MailOptions(trusted_data=False)


async def queue_page(unit: UnitOfWork, envelopes: Sequence[Envelope[AudiencePageResolved]]) -> None:
    """Queue the campaign's mail to each contact on the page, once. The claim decides who must not get it.

    Contacts outside of the campaign's A/B test get their mail when the winner is decided.
    """
    campaigns = {(e.project, e.message.campaign_id) for e in envelopes}
    tests = await campaign_experiment.lock(unit.conn, campaigns)
    started = {(e.project, e.message.campaign_id): tests.get(e.message.campaign_id) for e in envelopes}
    kinds = await _kinds(unit.conn, campaigns) | {key: test.kind for key, test in started.items() if test}
    undecided = _undecided(envelopes, tests)
    page = [
        _campaign_intent(
            envelope, member, kinds.get((envelope.project, envelope.message.campaign_id), "MARKETING"), undecided
        )
        for envelope in envelopes
        for member in envelope.message.members
    ]
    await intents.queue(unit, page)
    await campaign_holds.sweep_again(unit, envelopes)
    await _place(unit, [envelope for envelope in envelopes if envelope.message.members])


async def queue_step(unit: UnitOfWork, envelopes: Sequence[Envelope[EmailRequested]]) -> None:
    """Queue the mails of workflow executions that reached a step that sends one."""
    kinds = await _kinds(unit.conn, {(e.project, e.message.template_id) for e in envelopes})
    steps = [_workflow_intent(e, kinds.get((e.project, e.message.template_id), "MARKETING")) for e in envelopes]
    await intents.queue(unit, steps)


def _undecided(envelopes: Sequence[Envelope[AudiencePageResolved]], tests: Mapping[UUID, AbTest]) -> set[UUID]:
    """Return the campaigns whose test has no winner yet. A page may arrive before the start of its campaign."""
    undecided = {campaign_id for campaign_id, test in tests.items() if not test.decided}
    unstarted = [e.message for e in envelopes if e.message.campaign_id not in tests]
    return undecided | {page.campaign_id for page in unstarted if any(member.variant for member in page.members)}


async def _kinds(conn: Connection, wanted: set[contents.Key]) -> dict[contents.Key, Kind]:
    return {key: content.kind for key, content in (await contents.find(conn, wanted)).items()}


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
        extras=None if requested.trusted else UNTRUSTED,
    )
    return Intent(queued, envelope)
