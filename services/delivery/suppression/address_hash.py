"""Addresses of people who are forgotten: the suppression list goes on knowing them, by a keyed hash and not by name.

Somebody who complained, or whose mailbox is gone, must not be written to again only because the contact was deleted and
came back with the next import. The key is a secret of the project, made when it is first needed.
"""

import os
from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.store import Connection

SECRET_BYTES = 32

PERSON = """(
    select left(encode(sha256(secret || sha256(secret || convert_to({address}, 'UTF8'))), 'hex'), 32)
    from address_secret where address_secret.project = {project})"""
"""Who has the address, in SQL; null in a project where nobody was asked for yet."""

MAKE = "insert into address_secret (project, secret) values ($1, $2) on conflict do nothing"
PEOPLE = f"""
select wanted.address, {PERSON.format(address="wanted.address", project="$1")} as person
from unnest($2::text[]) as wanted (address)
"""  # noqa: S608 - a constant


async def people(conn: Connection, project: UUID, addresses: Sequence[str]) -> dict[str, UUID]:
    """Who stands in events for each of the addresses, which are in lower case."""
    await conn.execute(MAKE, project, os.urandom(SECRET_BYTES))
    return {row["address"]: UUID(row["person"]) for row in await conn.fetch(PEOPLE, project, list(addresses))}
