"""Keyed hashes that keep the addresses of deleted contacts on the suppression list without naming them.

Somebody who complained, or whose mailbox is gone, must not be written to again because the contact was deleted and the
next import brings the address back. The key is a secret of the project, made when it is first needed.
"""

import os
from collections.abc import Sequence
from uuid import UUID

from libs.runtime.eventstore.store import Connection

SECRET_BYTES = 32

ADDRESS_HASH = """(
    select left(encode(sha256(secret || sha256(secret || convert_to({address}, 'UTF8'))), 'hex'), 32)
    from address_secret where address_secret.project = {project})"""
"""The hash of an address, in SQL; null as long as the project has no secret."""

MAKE = "insert into address_secret (project, secret) values ($1, $2) on conflict do nothing"
HASHES = f"""
select wanted.address, {ADDRESS_HASH.format(address="wanted.address", project="$1")} as hash
from unnest($2::text[]) as wanted (address)
"""  # noqa: S608 - a constant


async def hashes(conn: Connection, project: UUID, addresses: Sequence[str]) -> dict[str, UUID]:
    """Return the hash of each address, given in lower case, in the form of the UUID that stands for it in events."""
    await conn.execute(MAKE, project, os.urandom(SECRET_BYTES))
    return {row["address"]: UUID(row["hash"]) for row in await conn.fetch(HASHES, project, list(addresses))}
