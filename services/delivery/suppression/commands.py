"""Commands on suppression rules and on the list of suppressed addresses, and questions about both."""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.kernel.instants import iso
from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.aggregate import Aggregate, Loaded, accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.delivery.emails import FindSuppressed, Suppressed
from libs.schemas.delivery.suppressions import (
    AddressReleased,
    AddressSuppressed,
    ListSuppressedAddresses,
    ListSuppressionRules,
    PreviewSuppression,
    ReleaseAddress,
    SuppressAddresses,
    SuppressedAddresses,
    SuppressedAddressPage,
    SuppressedAddressView,
    SuppressionPreview,
    SuppressionRuleView,
)
from services.delivery.claiming.claims import Reader, withheld
from services.delivery.ledger.ledger import LISTED, LISTING
from services.delivery.suppression import account_list, address_hash
from services.delivery.suppression import rule as decider
from services.delivery.suppression.read_models import suppressed_address, suppression_rule
from services.delivery.suppression.read_models.suppression_rule import rule_of
from services.delivery.suppression.rule import Rule, first_match

MOST = 1000
"""Addresses on a page of the list."""

READERS = f"""
select reader.contact_id, reader.address, coalesce(recipient.subscribed, true) as subscribed,
    {LISTED} as listed
from unnest($2::uuid[], $3::text[]) as reader (contact_id, address)
left join recipient on recipient.project = $1 and recipient.contact_id = reader.contact_id
left join suppression on suppression.project = $1 and suppression.contact_id = reader.contact_id
{LISTING.format(project="$1", address="lower(reader.address)")}
left join account_suppression on account_suppression.address = lower(reader.address)
"""  # noqa: S608 - a constant


def rules() -> Aggregate[Rule]:
    """Handles every command on rules."""
    return Aggregate(decider, key=_key, load=_load, reply=_reply)


async def suppress_addresses(unit: UnitOfWork, envelopes: Sequence[Envelope[SuppressAddresses]]) -> list[bytes]:
    """Put the addresses on the list; those that are on it stay as they are."""
    return [await _suppress(unit, envelope) for envelope in envelopes]


async def release_addresses(unit: UnitOfWork, envelopes: Sequence[Envelope[ReleaseAddress]]) -> list[bytes]:
    """Take each address off the list, ours and the account's."""
    return [await _release(unit, envelope) for envelope in envelopes]


async def list_rules(conn: Connection, project: UUID, query: ListSuppressionRules) -> list[SuppressionRuleView]:
    found = await suppression_rule.of_projects(conn, [project])
    return [_view(rule, rule.created_at) for rule in found.get(project, [])]


async def preview(conn: Connection, project: UUID, query: PreviewSuppression) -> SuppressionPreview:
    address = query.address.strip().lower()
    rule = first_match((await suppression_rule.of_projects(conn, [project])).get(project, []), address)
    listed = (await suppressed_address.listed(conn, project, [address])).get(address)
    return SuppressionPreview(
        suppressed=bool(rule or listed),
        match=_view(rule, rule.created_at) if rule else None,
        reason=listed["reason"] if listed else None,
    )


async def find_suppressed(conn: Connection, project: UUID, query: FindSuppressed) -> list[Suppressed]:
    """Those of the readers from whom a campaign's mail would be withheld if it was claimed now."""
    rules = (await suppression_rule.of_projects(conn, [project])).get(project, [])
    rows = await conn.fetch(READERS, project, list(query.readers), list(query.readers.values()))
    readers = {row["contact_id"]: Reader(row["address"], row["subscribed"], row["listed"]) for row in rows}
    held = {contact_id: withheld(query.kind, "CAMPAIGN", reader, rules) for contact_id, reader in readers.items()}
    return [Suppressed(contact_id=contact_id, reason=why.reason) for contact_id, why in held.items() if why]


async def list_addresses(conn: Connection, project: UUID, query: ListSuppressedAddresses) -> SuppressedAddressPage:
    limit = max(1, min(query.limit, MOST))
    rows = await suppressed_address.page(conn, project, query.cursor or "", query.reason, limit + 1)
    total = 0 if query.cursor else await suppressed_address.count(conn, project, query.reason)
    more = len(rows) > limit
    return SuppressedAddressPage(
        data=[_address_view(row) for row in rows[:limit]],
        cursor=rows[limit - 1]["address"] if more else None,
        has_more=more,
        total=total,
    )


async def _suppress(unit: UnitOfWork, envelope: Envelope[SuppressAddresses]) -> bytes:
    command = envelope.message
    wanted = list(dict.fromkeys(address.strip().lower() for address in command.addresses))
    known = await suppressed_address.listed(unit.conn, envelope.project, wanted)
    new = [address for address in wanted if address not in known]
    people = await address_hash.people(unit.conn, envelope.project, new)
    suppressed = (
        AddressSuppressed(entry_id=uuid7(), address=address, contact_id=people[address], reason=command.reason)
        for address in new
    )
    unit.append(suppressed, envelope)
    await unit.flush()
    if command.reason in account_list.TOLD_OF:
        await account_list.tell(unit.conn, new, command.reason)
    return accepted_reply(SuppressedAddresses(added=len(new), known=len(known)))


async def _release(unit: UnitOfWork, envelope: Envelope[ReleaseAddress]) -> bytes:
    address = envelope.message.address.strip().lower()
    row = (await suppressed_address.listed(unit.conn, envelope.project, [address])).get(address)
    if row is None:
        return encode(
            Rejected("SUPPRESSED_ADDRESS_NOT_FOUND", "This address is not on the suppression list").as_reply()
        )
    people = await address_hash.people(unit.conn, envelope.project, [address])
    unit.append([AddressReleased(entry_id=uuid7(), address=address, contact_id=people[address])], envelope)
    await unit.flush()
    if row["reason"] in account_list.TOLD_OF:
        await account_list.tell(unit.conn, [address], None)
    return accepted_reply(_address_view(row))


def _key(envelope: Envelope[Any]) -> Hashable:
    return envelope.project, envelope.message.rule_id


async def _load(conn: Connection, envelopes: Sequence[Envelope[Any]]) -> dict[Hashable, Loaded[Rule]]:
    rows = await suppression_rule.rows(conn, {envelope.project for envelope in envelopes})
    found = {(row["project"], row["id"]): Loaded(rule_of(row), _stream(row["id"]), row["version"]) for row in rows}
    loaded: dict[Hashable, Loaded[Rule]] = {}
    for envelope in envelopes:
        project, rule_id = key = (envelope.project, envelope.message.rule_id)
        others = _count(rows, project)
        loaded[key] = found.get(key) or Loaded(Rule(others=others), _stream(rule_id), 0)
    return loaded


def _count(rows: Iterable[asyncpg.Record], project: UUID) -> int:
    return sum(row["project"] == project for row in rows)


def _stream(rule_id: UUID) -> str:
    return f"suppression-rule-{rule_id}"


def _reply(envelope: Envelope[Any], rule: Rule, events: Sequence[Any], now: datetime) -> SuppressionRuleView:
    rule = rule if rule.id else Rule(id=envelope.message.rule_id, name=rule.name, kind=rule.kind, pattern=rule.pattern)
    return _view(rule, now)


def _view(rule: Rule, now: datetime | None) -> SuppressionRuleView:
    assert rule.id is not None and now is not None
    return SuppressionRuleView(
        id=rule.id,
        name=rule.name,
        kind=rule.kind,
        pattern=rule.pattern,
        enabled=rule.enabled,
        created_at=iso(rule.created_at or now),
        updated_at=iso(rule.updated_at or now),
    )


def _address_view(row: asyncpg.Record) -> SuppressedAddressView:
    return SuppressedAddressView(address=row["address"], reason=row["reason"], since=iso(suppressed_address.since(row)))
