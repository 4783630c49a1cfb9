"""Claiming due mails: committed before SES is called, so that a crash leaves a claim behind rather than a doubt.

What must not be sent any more is found out here, in the transaction of the claim.
"""

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.delivery.content import Kind
from libs.schemas.delivery.emails import Source, SuppressionReason
from services.delivery.domains.read_models import domain as domains
from services.delivery.intake.admission import domain_of
from services.delivery.ledger import ledger
from services.delivery.ledger.email import (
    Change,
    cancel,
    fail,
    park,
    suppress,
    suppression,
)
from services.delivery.ledger.mail import Mail
from services.delivery.rendering.content_cache import Shelf
from services.delivery.scheduling import allowance, campaign_schedules
from services.delivery.scheduling.fairness import Share, Waiting
from services.delivery.scheduling.read_models import campaign_hold
from services.delivery.scheduling.read_models.campaign_hold import Hold
from services.delivery.suppression.read_models import suppression_rule
from services.delivery.suppression.rule import Rule, first_match

# A mail can be claimed once its content and its recipient have arrived here. A transactional one waits for the
# recipient's data only briefly: it may be for someone whom nobody told us of, and it is urgent. Both are asked by
# scalar sub-queries, which are looked up row by row: for `exists` the planner may hash the whole table instead.

HAS_CONTENT = """(content_id is null or coalesce((
    select true from content where content.project = email.project and content.id = email.content_id), false))"""
HAS_RECIPIENT = """coalesce((
    select data_version > 0 and subscription_version > 0 from recipient
    where recipient.project = email.project and recipient.contact_id = email.contact_id), false)"""

# A skip scan over (lane, project, line): its cost follows the number of lines that wait, not of mails. Of a project
# that is paused, only transactional mail is due.
WAITING = f"""
with recursive line as (
    (select lane, project, line from email where state = 'queued' order by lane, project, line limit 1)
    union all
    select next.lane, next.project, next.line from line cross join lateral (
        select lane, project, line from email
        where state = 'queued' and (lane, project, line) > (line.lane, line.project, line.line)
        order by lane, project, line limit 1
    ) next
)
select line.lane, line.project, due.count::int, line.line,
    exists (select from sending_limit where sending_limit.project = line.project)
from (
    select lane, project, line from line
    where lane = 0 or not coalesce((select paused from paused_project where project = line.project), false)
) line cross join lateral (
    select count(*) from (
        select from email
        where state = 'queued' and lane = line.lane and email.project = line.project and email.line = line.line
            and due_at <= now()
            and {HAS_CONTENT}
            and (lane = 0 and created_at < now() - interval '2 seconds' or {HAS_RECIPIENT})
        limit $1
    ) ones
) due
where due.count > 0
"""  # noqa: S608 - constants
TO_CLAIM = """update email set
    state = 'claimed',
    claim = $1,
    attempt = attempt + 1,
    claimed_at = clock_timestamp(),
    due_at = clock_timestamp() + make_interval(secs => $2),
    updated_at = clock_timestamp()"""
# The ids are handed over as an array, because the planner takes the quotas for large and would scan the whole table.
CLAIM = f"""
with pick as materialized (
    select found.id
    from unnest($3::smallint[], $4::uuid[], $5::text[], $6::int[]) as share (lane, project, line, quota)
    cross join lateral (
        select email.id from email
        where state = 'queued' and lane = share.lane and email.project = share.project and email.line = share.line
            and due_at <= now()
            and {HAS_CONTENT}
            and (lane = 0 and created_at < now() - interval '2 seconds' or {HAS_RECIPIENT})
        order by due_at, email.id
        limit share.quota
        for update of email skip locked
    ) found
)
{TO_CLAIM}
where email.id = any(array(select id from pick))
returning email.id, email.project, email.line
"""  # noqa: S608 - constants
# Of mails that were queued in this very transaction. One whose content or recipient has not arrived waits in the queue
# until it has, and one of a project that limits itself until its turn.
CLAIM_NEW = f"""
{TO_CLAIM}
where email.id = any($3::uuid[]) and state = 'queued'
    and {HAS_CONTENT}
    and {HAS_RECIPIENT}
    and not coalesce((select true from sending_limit where sending_limit.project = email.project), false)
returning email.id
"""  # noqa: S608 - constants


class Policy(msgspec.Struct, frozen=True):
    """What decides about mails beyond themselves: held campaigns, domains and their owners, suppression rules."""

    holds: Mapping[tuple[UUID, UUID], Hold]
    owners: domains.Owners
    rules: Mapping[UUID, Sequence[Rule]]


class Reader(msgspec.Struct, frozen=True):
    """As `ledger.LISTED` and their consent have them."""

    address: str
    subscribed: bool
    listed: SuppressionReason | None


class Withheld(msgspec.Struct, frozen=True):
    """Why a reader gets no mail; `rule` is the name of the rule that says so, if one does."""

    reason: SuppressionReason
    rule: str | None = None


def withheld(kind: Kind, source: Source, reader: Reader, rules: Sequence[Rule]) -> Withheld | None:
    """Whether this reader must not get such a mail, whoever asks for it."""
    if reason := suppression(kind, source, reader.subscribed, reader.listed):
        return Withheld(reason)
    if rule := first_match(rules, reader.address):
        return Withheld("rule", rule.name)
    return None


async def waiting(conn: Connection, most: int) -> list[Waiting]:
    """How many mails could be claimed now, by lane, project and line; none is counted further than `most`."""
    return [Waiting(*row) for row in await conn.fetch(WAITING, most)]


async def claim(
    unit: UnitOfWork, shares: Sequence[Share], limited: Collection[UUID], lease: float, shelf: Shelf
) -> list[Mail]:
    """Claim up to each share's quota, as far as the limits of `limited` projects go; answers the mails that are to be
    sent once this is committed."""
    begun = time.monotonic()
    shares, held = await allowance.hold(unit.conn, shares, limited)
    rows = await unit.conn.fetch(
        CLAIM,
        uuid7(),
        lease,
        [share.lane for share in shares],
        [share.project for share in shares],
        [share.line for share in shares],
        [share.quota for share in shares],
    )
    mails = await _sendable(unit, rows, shelf, begun)
    going = {mail.id for mail in mails}
    await allowance.spend(unit.conn, held, Counter((row["project"], row["line"]) for row in rows if row["id"] in going))
    return mails


async def claim_new(unit: UnitOfWork, ids: Sequence[UUID], lease: float, shelf: Shelf) -> list[Mail]:
    """Claim mails in the transaction that queues them, as far as nothing has to be waited for; answers those that are
    to be sent once this is committed."""
    begun = time.monotonic()
    return await _sendable(unit, await unit.conn.fetch(CLAIM_NEW, uuid7(), lease, ids), shelf, begun)


async def _sendable(unit: UnitOfWork, claimed: Sequence[asyncpg.Record], shelf: Shelf, begun: float) -> list[Mail]:
    """The mails of these rows; those that must not be sent any more, or not now, are put away."""
    mails = await ledger.load(unit.conn, [row["id"] for row in claimed], shelf, begun)
    refused = await _refuse(unit, mails)
    return [mail for mail in mails if mail.id not in refused]


async def _refuse(unit: UnitOfWork, mails: Sequence[Mail]) -> set[UUID]:
    """Put away those that must not be sent any more, or not now."""
    holds = await campaign_hold.find(unit.conn, {(m.project, m.campaign_id) for m in mails if m.campaign_id})
    owners = await domains.named(unit.conn, {domain_of(mail.content) for mail in mails})
    rules = await suppression_rule.of_projects(unit.conn, {mail.project for mail in mails})
    policy = Policy(holds, owners, rules)
    refused = [(mail, change) for mail in mails if (change := _refusal(mail, policy))]
    never = {mail.id for mail, _ in refused}
    refused += await campaign_schedules.hold_back(unit, [mail for mail in mails if mail.id not in never])
    return await ledger.apply(unit, refused)


def _refusal(mail: Mail, policy: Policy) -> Change | None:
    hold = policy.holds.get((mail.project, mail.campaign_id)) if mail.campaign_id else None
    if hold:
        return cancel(mail) if hold == "cancelled" else park(mail)
    reader = Reader(mail.recipient, mail.subscribed, mail.listed)
    if held := withheld(mail.content.kind, mail.source, reader, policy.rules.get(mail.project, ())):
        return suppress(mail, held.reason, held.rule)
    domain = domain_of(mail.content)
    if not policy.owners.get(domain, {}).get(mail.project):
        return fail(mail, "DOMAIN_NOT_VERIFIED", f'Domain "{domain}" is not a verified domain of this project.')
    return None
