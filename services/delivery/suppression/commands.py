"""Commands on suppression rules and on the list of suppressed addresses."""

from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.kernel.rejection import Rejected
from libs.runtime.clock import uuid7
from libs.runtime.eventstore.aggregate import Aggregate, Loaded, accepted_reply
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection, UnitOfWork
from libs.schemas.delivery.suppressions import (
    AddressReleased,
    AddressSuppressed,
    ReleaseAddress,
    SuppressAddresses,
    SuppressedAddresses,
    SuppressionRuleView,
)
from services.delivery.suppression import account_list, address_hash
from services.delivery.suppression import rule as decider
from services.delivery.suppression.read_models import suppressed_address, suppression_rule
from services.delivery.suppression.read_models.suppression_rule import rule_of
from services.delivery.suppression.rule import Rule
from services.delivery.suppression.views import address_view, rule_view


def change_rules() -> Aggregate[Rule]:
    """Return the handler of all commands on rules."""
    return Aggregate(decider, key=_key, load=_load, reply=_reply)


async def suppress_addresses(unit: UnitOfWork, envelopes: Sequence[Envelope[SuppressAddresses]]) -> list[bytes]:
    """Put the addresses on the list. Addresses that are on it already stay as they are."""
    return [await _suppress(unit, envelope) for envelope in envelopes]


async def release_addresses(unit: UnitOfWork, envelopes: Sequence[Envelope[ReleaseAddress]]) -> list[bytes]:
    """Take each address off the project's list.

    It also comes off the SES account's if SES had reported it to this project, and to no other that still lists it.
    """
    return [await _release(unit, envelope) for envelope in envelopes]


async def _suppress(unit: UnitOfWork, envelope: Envelope[SuppressAddresses]) -> bytes:
    command = envelope.message
    wanted = list(dict.fromkeys(address.strip().lower() for address in command.addresses))
    listed = await suppressed_address.listed(unit.conn, envelope.project, wanted)
    new = [address for address in wanted if address not in listed]
    hashes = await address_hash.hashes(unit.conn, envelope.project, new)
    suppressed = (
        AddressSuppressed(entry_id=uuid7(), address=address, contact_id=hashes[address], reason=command.reason)
        for address in new
    )
    unit.append(suppressed, envelope)
    await unit.flush()
    return accepted_reply(SuppressedAddresses(added=len(new), known=len(listed)))


async def _release(unit: UnitOfWork, envelope: Envelope[ReleaseAddress]) -> bytes:
    address = envelope.message.address.strip().lower()
    row = (await suppressed_address.listed(unit.conn, envelope.project, [address])).get(address)
    if row is None:
        return encode(
            Rejected("SUPPRESSED_ADDRESS_NOT_FOUND", "This address is not on the suppression list").as_reply()
        )
    hashes = await address_hash.hashes(unit.conn, envelope.project, [address])
    unit.append([AddressReleased(entry_id=uuid7(), address=address, contact_id=hashes[address])], envelope)
    await unit.flush()
    if row["report"]:
        await account_list.release(unit.conn, address)
    return accepted_reply(address_view(row))


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
    return rule_view(rule, now)
