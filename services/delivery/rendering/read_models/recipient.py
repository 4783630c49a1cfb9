"""Contacts' data and consent, as delivery needs them at the moment of sending.

Events about a contact may arrive in any order. Data and subscription are each kept by their own highest version; a
contact that lacks either has not arrived yet.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope
from libs.runtime.eventstore.store import Connection
from libs.schemas.base import Data
from libs.schemas.contacts.contacts import (
    ContactCreated,
    ContactDeleted,
    ContactSubscribed,
    ContactUnsubscribed,
    ContactUpdated,
)

NAME = "recipient"
TABLES = ("recipient",)
EVENTS = (ContactCreated, ContactUpdated, ContactSubscribed, ContactUnsubscribed, ContactDeleted)
DDL = """
create table if not exists recipient (
    project uuid not null,
    contact_id uuid not null,
    data jsonb not null,
    data_version int not null,
    subscribed boolean not null,
    subscription_version int not null,
    primary key (project, contact_id)
) with (fillfactor = 85);
alter table recipient add column if not exists erased boolean not null default false;
alter table recipient add column if not exists untrusted jsonb not null default '[]';
"""

MERGE = """
insert into recipient (project, contact_id, data, data_version, subscribed, subscription_version, erased, untrusted)
select * from unnest(
    $1::uuid[], $2::uuid[], $3::jsonb[], $4::int[], $5::boolean[], $6::int[], $7::boolean[], $8::jsonb[]
)
on conflict (project, contact_id) do update set
    erased = recipient.erased or excluded.erased,
    data = case when excluded.data_version > recipient.data_version then excluded.data else recipient.data end,
    untrusted = case when excluded.data_version > recipient.data_version
        then excluded.untrusted else recipient.untrusted end,
    data_version = greatest(excluded.data_version, recipient.data_version),
    subscribed = case when excluded.subscription_version > recipient.subscription_version
        then excluded.subscribed else recipient.subscribed end,
    subscription_version = greatest(excluded.subscription_version, recipient.subscription_version)
"""


class _Changes(msgspec.Struct):
    """What a batch of events says about one contact; version 0 stands for nothing."""

    data: str = "{}"
    data_version: int = 0
    subscribed: bool = False
    subscription_version: int = 0
    erased: bool = False
    untrusted: str = "[]"


async def project(conn: Connection, events: Sequence[Envelope[Any]]) -> None:
    rows: dict[tuple[UUID, UUID], _Changes] = {}
    for event in events:
        _fold(rows.setdefault((event.project, event.message.contact_id), _Changes()), event)
    keys = sorted(rows)
    await conn.execute(
        MERGE,
        [project for project, _ in keys],
        [contact_id for _, contact_id in keys],
        [rows[key].data for key in keys],
        [rows[key].data_version for key in keys],
        [rows[key].subscribed for key in keys],
        [rows[key].subscription_version for key in keys],
        [rows[key].erased for key in keys],
        [rows[key].untrusted for key in keys],
    )


def _fold(row: _Changes, event: Envelope[Any]) -> None:
    match event.message:
        case ContactCreated(data=data, untrusted=untrusted, subscribed=subscribed):
            _set_data(row, data, untrusted, event.version)
            _set_subscription(row, subscribed, event.version)
        case ContactUpdated(data=data, untrusted=untrusted):
            _set_data(row, data, untrusted, event.version)
        case ContactDeleted():
            row.erased = True
            _set_data(row, {}, [], event.version)
            _set_subscription(row, False, event.version)
        case ContactSubscribed():
            _set_subscription(row, True, event.version)
        case ContactUnsubscribed():
            _set_subscription(row, False, event.version)


def _set_data(row: _Changes, data: Data, untrusted: Sequence[str], version: int) -> None:
    if version > row.data_version:
        row.data, row.untrusted, row.data_version = encode(data).decode(), encode(untrusted).decode(), version


def _set_subscription(row: _Changes, subscribed: bool, version: int) -> None:
    if version > row.subscription_version:
        row.subscribed, row.subscription_version = subscribed, version
