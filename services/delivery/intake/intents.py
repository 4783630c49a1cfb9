"""Puts intents into the ledger, each once, however often its request is delivered."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import UnitOfWork
from libs.schemas.delivery.emails import EmailQueued, Source
from services.delivery.ledger.email import PARKED_FOR
from services.delivery.rendering.read_models.content import variant_id
from services.delivery.scheduling.fairness import CAMPAIGN, TRANSACTIONAL, WORKFLOW

LANES: dict[Source, int] = {"TRANSACTIONAL": TRANSACTIONAL, "WORKFLOW": WORKFLOW, "CAMPAIGN": CAMPAIGN}

# Mails to a recipient domain that the project limits have a queue partition of their own: see `scheduling.limits`.
QUEUE = """
insert into email (id, project, contact_id, recipient, source, lane, campaign_id, workflow_id, execution_id, step_id,
    content_id, content, overrides, data, meta, extras, line, due_at, created_at, updated_at)
select id, project, contact_id, recipient, source, lane, campaign_id, workflow_id, execution_id, step_id,
    content_id, content, overrides, data, meta, extras, coalesce((
        select domain from lower(substring(recipient from '[^@]*$')) as domain, sending_limit
        where sending_limit.project = new.project and sending_limit.domains ? domain), ''),
    $18::timestamptz + make_interval(secs => due_in), $18, $18
from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::smallint[], $7::uuid[], $8::uuid[],
    $9::uuid[], $10::uuid[], $11::uuid[], $12::jsonb[], $13::jsonb[], $14::jsonb[], $15::jsonb[], $16::jsonb[],
    $17::float[])
    as new (id, project, contact_id, recipient, source, lane, campaign_id, workflow_id, execution_id, step_id,
        content_id, content, overrides, data, meta, extras, due_in)
on conflict do nothing
returning id
"""
QUEUED = "select id, created_at from email where id = any($1::uuid[])"


class Intent(msgspec.Struct, frozen=True):
    """A mail to be sent, and the message that asks for it. `overrides` replace fields of its template.

    `variant` is the variant of the campaign's A/B test that it gets. A mail that `waits` is parked until the test has a
    winner.
    """

    queued: EmailQueued
    cause: Envelope[Any]
    overrides: dict[str, Any] | None = None
    variant: str | None = None
    waits: bool = False

    @property
    def content_id(self) -> UUID | None:
        if self.variant is not None and self.queued.campaign_id:
            return variant_id(self.queued.campaign_id, self.variant)
        return None if self.queued.content else self.queued.template_id or self.queued.campaign_id


async def queue(unit: UnitOfWork, intents: Sequence[Intent]) -> set[UUID]:
    """Insert the intents that do not exist yet, and append their events. Return their ids."""
    if not intents:
        return set()
    rows = await unit.conn.fetch(QUEUE, *_columns(intents), unit.now)
    new = {row["id"] for row in rows}
    for intent in intents:
        if intent.queued.email_id in new:
            unit.append([intent.queued], intent.cause)
    return new


async def queued_before(unit: UnitOfWork, ids: Collection[UUID]) -> dict[UUID, datetime]:
    """Return the creation times of those intents that exist already."""
    if not ids:
        return {}
    return {row["id"]: row["created_at"] for row in await unit.conn.fetch(QUEUED, list(ids))}


def _columns(intents: Sequence[Intent]) -> list[list[Any]]:
    metas = {id(intent.cause): encode(intent.cause.causes()).decode() for intent in intents}
    return [list(column) for column in zip(*(_row(intent, metas[id(intent.cause)]) for intent in intents), strict=True)]


def _row(intent: Intent, meta: str) -> tuple[Any, ...]:
    queued = intent.queued
    return (
        queued.email_id,
        intent.cause.project,
        queued.contact_id,
        queued.recipient,
        queued.source,
        LANES[queued.source],
        queued.campaign_id,
        queued.workflow_id,
        queued.execution_id,
        queued.step_id,
        intent.content_id,
        encode(queued.content).decode() if queued.content else None,
        encode(intent.overrides).decode() if intent.overrides else None,
        encode(queued.data).decode(),
        meta,
        encode(queued.extras).decode() if queued.extras else None,
        PARKED_FOR if intent.waits else 0.0,
    )
