"""The invariants that must hold once everything is healed and quiet.

They are checked against Postgres and the sandbox's own ledger, without asking any service. Each check returns one
sentence per violation.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from deploy.services import declared_services
from libs.runtime.eventstore.codec import tag_of
from libs.runtime.eventstore.store import Connection
from libs.runtime.operations.rebuild import rebuild
from libs.runtime.process.service import Service
from services.delivery.rendering.message import SIMULATOR
from services.delivery.sender.sender import AHEAD_SECONDS
from tests.environment import environment
from tests.faults.load import Promises
from tests.faults.rig import Rig

FINAL = ("sent", "failed", "suppressed", "cancelled")
TWICE_IN = 10_000
"""One mail in this many may go out twice: where a crash and a lost notification coincide."""

MAILS = "select id, recipient, state, campaign_id, message_ids, claimed_at, reason from delivery.email"
EVENT_COUNTS = "select type, count(*) as times from delivery.events where type = any($1::text[]) group by type"
RESOLVED = "select count(*) from delivery.email where resolved"
RESENT = "select count(*) from delivery.email where attempt > 1"

# Mails that were claimed well after delivery had handled the recipient's unsubscribe, and were sent anyway.
AFTER_UNSUBSCRIBE = """
select email.id from contacts.events as gone
join delivery.inbox on inbox.consumer = 'delivery-events' and inbox.message_id = gone.id
join delivery.email on email.project = gone.project and email.contact_id = (gone.data->>'contactId')::uuid
where gone.type = 'contact.unsubscribed' and email.state = 'sent' and email.source = 'CAMPAIGN'
    and email.claimed_at > inbox.received_at + interval '25 seconds'
    and not exists (
        select from contacts.events as back
        where back.stream = gone.stream and back.version > gone.version and back.type = 'contact.subscribed'
    )
"""
TRACKED = "select data->>'name' as name, count(*) as times from contacts.events where type = 'event.tracked' group by 1"
ADDRESSES = "select email, subscribed from contacts.contact"
CAMPAIGNS = "select id, status from campaigns.campaign"
RUNS = "select campaign_id, total, resolved, sent, failed, suppressed, cancelled from campaigns.campaign_run"

BROKEN_STREAMS = """
select stream from {schema}.events group by stream
having min(version) <> 1 or max(version) <> count(*)
"""
BROKEN_ORDER = """
select stream from (
    select stream, sequence, lag(sequence) over (partition by stream order by version) as before from {schema}.log
) as pairs
where before > sequence
"""
GAPS = "select coalesce(max(sequence), 0) - count(*) from {schema}.log"
UNPUBLISHED = "select coalesce(sum(events), 0) from {schema}.outbox"
UNHANDLED = """
select count(*) from {source}.events
where type = any($1::text[])
    and not exists (select from {schema}.inbox where consumer = '{schema}-events' and message_id = events.id)
"""
DIFFERENCE = """
(select 'served' as was, t::text as line from {before} as t except all select 'served', t::text from ({after}) as t)
union all
(select 'rebuilt', t::text from ({after}) as t except all select 'rebuilt', t::text from {before} as t)
limit 6
"""
SUM = "select {keys}, sum(count) as count from {table} group by {keys} having sum(count) <> 0"
SHARDED = {
    "contact_count": "project",
    "contact_field": "project, field, kind",
    "contact_value": "project, field, value",
}
"""Counters that are spread randomly over several rows: only the sum matters."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one check, and the violations in `broken`."""

    accepted: int
    sent: int
    failed: int
    suppressed: int
    missing: int
    twice: int
    unknown: int
    resolved: int
    resent: int
    fastest: int
    broken: list[str]


class Evidence(msgspec.Struct, frozen=True):
    """Both ledgers, as read once: delivery's mails and what SES accepted."""

    mails: dict[UUID, Any]
    accepted: list[dict[str, Any]]

    @property
    def times(self) -> Counter[UUID]:
        """Return how often SES accepted each mail."""
        return Counter(UUID(each["emailId"]) for each in self.accepted if each["emailId"])


async def check(rig: Rig, promised: Promises, rate: float | None = None) -> Findings:
    """Check all invariants. `rate` is the maximum number of mails per second that SES allowed."""
    async with rig.database() as conn:
        evidence = Evidence({row["id"]: row for row in await conn.fetch(MAILS)}, await _accepted(rig))
        states = Counter(mail["state"] for mail in evidence.mails.values())
        services = declared_services()
        broken = [
            *_i1(evidence, _audit(rig)),
            *_i2(evidence),
            *await _i3(conn, evidence),
            *await _i4(conn, evidence, promised),
            *await _campaigns_add_up(conn, evidence, promised),
            *await _i6(conn, services),
            *await _i7(conn, services),
            *_i10(evidence, rate),
        ]
        counts = {
            row["type"]: row["times"] for row in await conn.fetch(EVENT_COUNTS, ["email.unresolved", "email.requeued"])
        }
        resolved, resent = await conn.fetchval(RESOLVED), await conn.fetchval(RESENT)
    return Findings(
        accepted=len(evidence.accepted),
        sent=states["sent"],
        failed=states["failed"],
        suppressed=states["suppressed"],
        missing=len(_missing(evidence)),
        twice=sum(evidence.times.values()) - len(evidence.times),
        unknown=counts.get("email.unresolved", 0),
        resolved=resolved,
        resent=resent,
        fastest=busiest_second(evidence.accepted),
        broken=[*broken, *await i5(rig, services)],
    )


async def _accepted(rig: Rig) -> list[dict[str, Any]]:
    """Return what SES accepted, except probes, which reach nobody."""
    listed = await rig.api.sandbox_get("/sandbox/messages", limit=100_000, fields="emailId,acceptedAt,to")
    return [message for message in listed["messages"] if message["to"] != [SIMULATOR]]


def _audit(rig: Rig) -> str | None:
    """Return the output of `godwit audit` if it finds a difference."""
    with environment({"GODWIT_DATA_DIR": str(rig.target.layout.root)}):
        done = subprocess.run(
            [sys.executable, "-m", "deploy.cli", "audit"], capture_output=True, text=True, timeout=120
        )
    return None if done.returncode == 0 else done.stdout + done.stderr


def _i1(evidence: Evidence, audit: str | None) -> list[str]:
    """Check that every intent is final, and that the ledger and the log agree."""
    left = Counter(mail["state"] for mail in evidence.mails.values() if mail["state"] not in FINAL)
    return [
        *(f"I1: {count} mails are still {state}" for state, count in left.items()),
        *([f"I1: the ledger and the log differ\n{audit}"] if audit else []),
    ]


def _i2(evidence: Evidence) -> list[str]:
    """Check that no more mails went out twice than faults may cause, and that each of them is recorded."""
    excess = sum(evidence.times.values()) - len(evidence.times)
    known = sum(max(0, len(mail["message_ids"]) - 1) for mail in evidence.mails.values())
    missing = _missing(evidence)
    twice = [str(mail) for mail, times in evidence.times.items() if times > 1]
    return [
        *(
            [f"I2: {excess} mails went out twice: {', '.join(twice[:5])}"]
            if excess > len(evidence.accepted) // TWICE_IN
            else []
        ),
        *([f"I2: {excess} mails went out twice, but {known} are recorded"] if excess != known else []),
        *([f"I1: {len(missing)} mails are recorded as sent, but SES never accepted them"] if missing else []),
    ]


def _missing(evidence: Evidence) -> set[UUID]:
    return {mail for mail, row in evidence.mails.items() if row["state"] == "sent"} - evidence.times.keys()


async def _i3(conn: Connection, evidence: Evidence) -> list[str]:
    """Check that nothing went out that was never requested, or that was stopped before."""
    unrequested = [mail for mail in evidence.times if mail not in evidence.mails]
    stopped = [
        (mail, evidence.mails[mail]["state"])
        for mail in evidence.times
        if mail in evidence.mails and evidence.mails[mail]["state"] != "sent"
    ]
    late = await conn.fetch(AFTER_UNSUBSCRIBE)
    return [
        *([f"I3: SES accepted {len(unrequested)} mails that were never requested"] if unrequested else []),
        *([f"I3: SES accepted mails that are not recorded as sent: {stopped[:5]}"] if stopped else []),
        *([f"I3: {len(late)} mails were sent to people who had unsubscribed"] if late else []),
    ]


async def _i4(conn: Connection, evidence: Evidence, promised: Promises) -> list[str]:
    """Check that everything promised to a client exists exactly once."""
    contacts = {row["email"]: row["subscribed"] for row in await conn.fetch(ADDRESSES)}
    tracked = {row["name"]: row["times"] for row in await conn.fetch(TRACKED)}
    campaigns = {str(row["id"]) for row in await conn.fetch(CAMPAIGNS)}
    to = Counter(mail["recipient"] for mail in evidence.mails.values() if mail["campaign_id"] is None)
    lost = [
        *(f"contact {email}" for email in promised.contacts if email not in contacts),
        *(f"unsubscribe of {email}" for email in promised.unsubscribed if contacts.get(email) is not False),
        *(f"mail {mail} to {email}" for email, mail in promised.mails.items() if mail not in evidence.mails),
        *(f"event {name}" for name in promised.events if name not in tracked),
        *(f"campaign {campaign}" for campaign in promised.campaigns if campaign not in campaigns),
    ]
    doubled = [
        *(f"mail to {email}" for email in promised.mails if to[email] > 1),
        *(f"event {name}" for name in promised.events if tracked.get(name, 0) > 1),
    ]
    return [
        *([f"I4: {len(lost)} promises were lost, such as {lost[0]}"] if lost else []),
        *([f"I4: {len(doubled)} calls took effect twice, such as {doubled[0]}"] if doubled else []),
    ]


async def _campaigns_add_up(conn: Connection, evidence: Evidence, promised: Promises) -> list[str]:
    """Check that each campaign has ended and that its counters match the ledger."""
    ended = {str(row["id"]): row["status"] for row in await conn.fetch(CAMPAIGNS)}
    unfinished = [
        f"{campaign} is {ended.get(campaign)}" for campaign in promised.campaigns if ended.get(campaign) != "SENT"
    ]
    counted = Counter((m["campaign_id"], m["state"]) for m in evidence.mails.values() if m["campaign_id"])
    wrong = [
        str(run["campaign_id"])
        for run in await conn.fetch(RUNS)
        if any(run[state] != counted[run["campaign_id"], state] for state in FINAL)
        or run["total"] != sum(counted[run["campaign_id"], state] for state in FINAL)
    ]
    return [
        *([f"I1: campaigns have not ended: {unfinished[:5]}"] if unfinished else []),
        *([f"I5: counters of campaigns differ from the ledger: {wrong[:5]}"] if wrong else []),
    ]


async def i5(rig: Rig, services: Sequence[Service]) -> list[str]:
    """Check that every read model equals its rebuild from events, row by row."""
    wrong: list[str] = []
    for service in (each for each in services if each.read_models):
        tables = [f"{table}" for model in service.read_models for table in model.TABLES]
        async with rig.database() as conn, rig.bus() as client:
            for table in tables:
                await conn.execute(f"create temporary table before_{table} as {_contents(service.name, table)}")
            await rebuild(rig.target.endpoints.admin_database_url, client, service, service.read_models)
            for table in tables:
                wrong += await _difference(conn, service.name, table)
    return wrong


def _contents(schema: str, table: str) -> str:
    keys = SHARDED.get(table)
    return SUM.format(keys=keys, table=f"{schema}.{table}") if keys else f"select * from {schema}.{table}"


async def _difference(conn: Connection, schema: str, table: str) -> list[str]:
    rows = await conn.fetch(DIFFERENCE.format(before=f"before_{table}", after=_contents(schema, table)))
    if not rows:
        return []
    lines = "; ".join(f"{row['was']}: {row['line']}" for row in rows)
    return [f"I5: {schema}.{table} differs from its rebuild: {lines}"]


async def _i6(conn: Connection, services: Sequence[Service]) -> list[str]:
    """Check that every event is published and handled by every consumer (the inbox's key allows it only once)."""
    broken: list[str] = []
    for service in services:
        if waiting := await conn.fetchval(UNPUBLISHED.format(schema=service.name)):
            broken.append(f"I6: {waiting} events of {service.name} are not published")
        for source in {kind.service for kind in service.foreign_events}:
            tags = [tag_of(kind) for kind in service.foreign_events if kind.service == source]
            if left := await conn.fetchval(UNHANDLED.format(source=source, schema=service.name), tags):
                broken.append(f"I6: {service.name} has not handled {left} events of {source}")
    return broken


async def _i7(conn: Connection, services: Sequence[Service]) -> list[str]:
    """Check that each stream has versions 1, 2, 3 ..., published in that order, and that the sequence has no gaps."""
    broken: list[str] = []
    for service in services:
        if streams := await conn.fetch(BROKEN_STREAMS.format(schema=service.name)):
            broken.append(f"I7: {service.name}: {len(streams)} streams have gaps")
        if streams := await conn.fetch(BROKEN_ORDER.format(schema=service.name)):
            broken.append(f"I7: {service.name}: {len(streams)} streams were published out of order")
        if await conn.fetchval(GAPS.format(schema=service.name)):
            broken.append(f"I7: {service.name}: the published sequence has gaps")
    return broken


def _i10(evidence: Evidence, rate: float | None) -> list[str]:
    """Check that SES got no more mails per second than it allows, besides those a paused process had claimed ahead."""
    found = busiest_second(evidence.accepted)
    most = rate * (1 + AHEAD_SECONDS) + 1 if rate else found
    return [f"I10: {found} mails within one second, of {rate:.0f}"] if found > most else []


def busiest_second(accepted: Iterable[Mapping[str, Any]]) -> int:
    """Return the maximum number of mails that SES accepted within any second."""
    at = sorted(datetime.fromisoformat(mail["acceptedAt"]).timestamp() for mail in accepted)
    first, most = 0, 0
    for last, moment in enumerate(at):
        while moment - at[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most
