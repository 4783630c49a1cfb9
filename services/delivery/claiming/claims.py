"""Claims due mails. A claim is committed before SES is called, so that a crash cannot lose track of a call.

The transaction of the claim also decides which mails must not be sent any more.
"""

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

import asyncpg
import msgspec

from libs.runtime.clock import uuid7
from libs.runtime.eventstore.store import Connection, UnitOfWork
from services.delivery.claiming.mails import load
from services.delivery.claiming.strangers import over_cap
from services.delivery.domains.read_models import domain as domains
from services.delivery.ledger import ledger
from services.delivery.ledger.email import Change, Email, cancel, fail, park, suppress
from services.delivery.ledger.mail import Mail
from services.delivery.rendering.content import domain_of
from services.delivery.rendering.content_cache import ContentCache
from services.delivery.scheduling import allowance, campaign_schedules
from services.delivery.scheduling.fairness import DueMails, Share
from services.delivery.scheduling.read_models import campaign_hold
from services.delivery.scheduling.read_models.campaign_hold import Hold
from services.delivery.suppression.read_models import suppression_rule
from services.delivery.suppression.rule import Rule
from services.delivery.suppression.withholding import Recipient, withheld

# A mail can be claimed once its content and its recipient have arrived. A transactional mail waits only briefly for the
# recipient's data: it is urgent, and may be to somebody who is not a contact. Both are scalar sub-queries, which are
# looked up row by row: for `exists` the planner may hash the whole table instead.

HAS_CONTENT = """(content_id is null or coalesce((
    select true from content where content.project = email.project and content.id = email.content_id), false))"""
HAS_RECIPIENT = """coalesce((
    select data_version > 0 and subscription_version > 0 from recipient
    where recipient.project = email.project and recipient.contact_id = email.contact_id), false)"""

# A skip scan over (lane, project, line): its cost depends on the number of queue partitions, not of mails. Of a paused
# project only transactional mail is due.
DUE = f"""
with recursive queue_partition as (
    (select lane, project, line from email where state = 'queued' order by lane, project, line limit 1)
    union all
    select next.lane, next.project, next.line from queue_partition as current cross join lateral (
        select lane, project, line from email
        where state = 'queued' and (lane, project, line) > (current.lane, current.project, current.line)
        order by lane, project, line limit 1
    ) next
)
select active.lane, active.project, due.count::int, active.line,
    exists (select from sending_limit where sending_limit.project = active.project)
from (
    select lane, project, line from queue_partition
    where lane = 0 or not coalesce((select paused from paused_project where project = queue_partition.project), false)
) active cross join lateral (
    select count(*) from (
        select from email
        where state = 'queued' and lane = active.lane and email.project = active.project and email.line = active.line
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
# The ids are passed as an array: the planner assumes large quotas and would otherwise scan the whole table.
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
# Claims mails that were queued in this transaction. Those whose content or recipient has not arrived stay queued, as do
# those of projects with sending limits.
CLAIM_NEW = f"""
{TO_CLAIM}
where email.id = any($3::uuid[]) and state = 'queued'
    and {HAS_CONTENT}
    and {HAS_RECIPIENT}
    and not coalesce((select true from sending_limit where sending_limit.project = email.project), false)
returning email.id
"""  # noqa: S608 - constants


class ClaimLimits(msgspec.Struct, frozen=True):
    """The seconds of a claim's lease, and how many mails a day strangers may have sent to a contact (0: any number)."""

    lease: float
    stranger_mails: int = 0


class ClaimPolicy(msgspec.Struct, frozen=True):
    """What decides about mails beyond themselves: held campaigns, owners of domains, suppression rules, and the cap."""

    holds: Mapping[tuple[UUID, UUID], Hold]
    owners: domains.Owners
    rules: Mapping[UUID, Sequence[Rule]]
    over_cap: Collection[UUID]


async def due_mails(conn: Connection, limit: int) -> list[DueMails]:
    """Return the number of mails that could be claimed now by lane, project and partition, up to `limit` each."""
    return [DueMails(*row) for row in await conn.fetch(DUE, limit)]


async def claim(
    unit: UnitOfWork, shares: Sequence[Share], limited: Collection[UUID], limits: ClaimLimits, cache: ContentCache
) -> list[Mail]:
    """Claim up to each share's quota, within the limits of the `limited` projects.

    Return the mails to send once this is committed.
    """
    begun = time.monotonic()
    shares, allowances = await allowance.lock(unit.conn, shares, limited)
    rows = await unit.conn.fetch(
        CLAIM,
        uuid7(),
        limits.lease,
        [share.lane for share in shares],
        [share.project for share in shares],
        [share.partition for share in shares],
        [share.quota for share in shares],
    )
    mails = await _sendable(unit, rows, limits, cache, begun)
    sendable = {mail.id for mail in mails}
    spent = Counter((row["project"], row["line"]) for row in rows if row["id"] in sendable)
    await allowance.spend(unit.conn, allowances, spent)
    return mails


async def claim_new(unit: UnitOfWork, ids: Sequence[UUID], limits: ClaimLimits, cache: ContentCache) -> list[Mail]:
    """Claim mails in the transaction that queues them, if nothing has to be waited for.

    Return those to send once this is committed.
    """
    begun = time.monotonic()
    rows = await unit.conn.fetch(CLAIM_NEW, uuid7(), limits.lease, ids)
    return await _sendable(unit, rows, limits, cache, begun)


async def _sendable(
    unit: UnitOfWork, claimed: Sequence[asyncpg.Record], limits: ClaimLimits, cache: ContentCache, begun: float
) -> list[Mail]:
    """Return the mails of these rows, except those that must not be sent, or not now: their claims are undone."""
    mails = await load(unit.conn, [row["id"] for row in claimed], cache, begun)
    rejected = await _reject(unit, mails, limits)
    return [mail for mail in mails if mail.id not in rejected]


async def _reject(unit: UnitOfWork, mails: Sequence[Mail], limits: ClaimLimits) -> set[UUID]:
    """Suppress, cancel, fail or requeue the mails that must not be sent. Return their ids."""
    holds = await campaign_hold.find(unit.conn, {(m.project, m.campaign_id) for m in mails if m.campaign_id})
    projects = {mail.project for mail in mails}
    owners = await domains.named(unit.conn, {domain_of(mail.content) for mail in mails}, projects)
    rules = await suppression_rule.of_projects(unit.conn, projects)
    policy = ClaimPolicy(holds, owners, rules, await over_cap(unit.conn, mails, limits.stranger_mails))
    changes: list[tuple[Email, Change]] = [(mail, change) for mail in mails if (change := _rejection(mail, policy))]
    rejected = {email.id for email, _ in changes}
    changes += await campaign_schedules.hold_back(unit, [mail for mail in mails if mail.id not in rejected])
    return await ledger.apply(unit, changes)


def _rejection(mail: Mail, policy: ClaimPolicy) -> Change | None:
    hold = policy.holds.get((mail.project, mail.campaign_id)) if mail.campaign_id else None
    if hold:
        return cancel(mail) if hold == "cancelled" else park(mail)
    recipient = Recipient(mail.recipient, mail.subscribed, mail.listed)
    if reason := withheld(mail.content.kind, mail.source, recipient, policy.rules.get(mail.project, ())):
        return suppress(mail, reason.reason, reason.rule)
    if mail.id in policy.over_cap:
        return suppress(mail, "capped")
    domain = domain_of(mail.content)
    if not policy.owners.get(domain, {}).get(mail.project):
        return fail(mail, "DOMAIN_NOT_VERIFIED", f'Domain "{domain}" is not a verified domain of this project.')
    return None
