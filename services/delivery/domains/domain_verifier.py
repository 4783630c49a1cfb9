"""Registers the domains that projects add with SES, and notices when one is verified or loses its verification.

SES has one identity for a domain, whichever projects claim it: it stays as long as one of them does.

Every domain is checked every five minutes by one replica, and at once on request.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import TypeAlias
from uuid import UUID

import asyncpg
import structlog
from botocore.exceptions import ClientError

from libs.runtime.eventstore.envelope import Origin
from libs.runtime.eventstore.store import UnitOfWork
from libs.runtime.process.loops import repeat
from libs.runtime.process.runtime import Runtime
from libs.schemas.delivery.domains import DomainVerified
from services.delivery.domains import identity_checks
from services.delivery.domains.identity_checks import Due
from services.delivery.domains.ownership import Finding, examine
from services.delivery.domains.read_models import domain as domains
from services.delivery.domains.txt_lookup import TxtLookup
from services.delivery.ses.client import ACCOUNT_ERRORS
from services.delivery.ses.identities import Identities
from services.delivery.ses.identity import Identity

log = structlog.get_logger()

BATCH = 10
EVERY_SECONDS = 0.5
SECONDS_AFTER_ERROR = 5.0

Published: TypeAlias = Mapping[str, Collection[str]] | None
"""The values of the TXT records of domains; None if they are not asked for."""


class DomainVerifier:
    """Checks domains that are due; any number of processes may do so at once.

    Without a `lookup` the verification of SES is proof enough: the oldest claim gets the domain.
    """

    def __init__(self, runtime: Runtime, identities: Identities, lookup: TxtLookup | None) -> None:
        self._runtime = runtime
        self._identities = identities
        self._lookup = lookup

    async def run(self) -> None:
        await repeat(self._check_due, SECONDS_AFTER_ERROR)

    async def _check_due(self) -> float:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            due = await identity_checks.due(conn, BATCH)
            rows = await domains.find(conn, [each.domain for each in due])
        published = await self._published({row["domain"] for row in rows if not (row["verified"] or row["vouched"])})
        for each in due:
            await self._check(each, published)
        return 0.0 if len(due) == BATCH else EVERY_SECONDS

    async def _published(self, names: Collection[str]) -> Published:
        """Return the challenges in the DNS of domains that are claimed, whether or not another project has them."""
        return await self._lookup.published(names) if self._lookup else None

    async def _check(self, due: Due, published: Published) -> None:
        """Ask SES, outside of any transaction, and record the result."""
        try:
            await self._ask(due, published)
        except ACCOUNT_ERRORS as error:
            log.warning("domain_verifier.ses_failed", domain=due.domain, error=repr(error))
            async with self._runtime.pool.acquire(timeout=10) as conn, conn.transaction():
                await identity_checks.postpone(conn, due.domain)
                await identity_checks.note_failure(conn, due.domain, _problem(error))

    async def _ask(self, due: Due, published: Published) -> None:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            rows = await domains.find(conn, [due.domain])
        claims = [row["id"] for row in rows if not row["vouched"]]
        if not claims:
            await self._drop(due, ours=due.made_for is not None and not rows)
            return
        if due.made_for is None and not await asyncio.to_thread(self._identities.exists, due.domain):
            await self._claim(due.domain, claims[0])
        seen = await asyncio.to_thread(self._identities.ensure, due.domain)
        await self._record(due.domain, seen, published)

    async def _claim(self, name: str, owner: UUID) -> None:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await identity_checks.made(conn, name, owner)

    async def _drop(self, due: Due, *, ours: bool) -> None:
        """Stop checking a domain that nobody claims any more, and delete the identity if it is `ours`."""
        if ours:
            await asyncio.to_thread(self._identities.forget, due.domain)
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await identity_checks.forget(conn, due.domain)

    async def _record(self, name: str, seen: Identity, published: Published) -> None:
        """Record what follows for each project that claims the domain, the oldest claim first."""
        async with self._runtime.unit() as unit:
            await identity_checks.lock(unit.conn, name)
            rows = await domains.find(unit.conn, [name])
            taken = any(row["verified"] for row in rows)
            for row in rows:
                if not row["vouched"]:
                    finding = _finding(row, seen, published, taken=taken)
                    taken = taken or any(isinstance(event, DomainVerified) for event in finding.events)
                    await _save(unit, row, finding)
            await identity_checks.postpone(unit.conn, name)


def _finding(row: asyncpg.Record, seen: Identity, published: Published, *, taken: bool) -> Finding:
    values = None if published is None else published.get(row["domain"], ())
    return examine(row["project"], domains.domain_of(row), seen, values, taken=taken)


async def _save(unit: UnitOfWork, row: asyncpg.Record, finding: Finding) -> None:
    unit.expect(f"domain-{row['id']}", row["version"])
    unit.append(finding.events, Origin(project=row["project"]))
    await identity_checks.note(unit.conn, row["project"], row["id"], finding.status, finding.problem)
    log.info("domain_verifier.checked", domain=row["domain"], status=finding.status, events=len(finding.events))


def _problem(error: Exception) -> str:
    """Return what to tell the domain's owner."""
    if isinstance(error, ClientError):
        return error.response["Error"].get("Message") or str(error)
    return f"SES is unreachable: {type(error).__name__}"
