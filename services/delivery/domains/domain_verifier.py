"""Registers the domains that projects add with SES, and notices when one is verified or loses its verification.

Every domain is checked every five minutes by one replica, and at once on request.
"""

import asyncio
from uuid import UUID

import structlog
from botocore.exceptions import ClientError

from libs.runtime.eventstore.envelope import Origin
from libs.runtime.process.loops import repeat
from libs.runtime.process.runtime import Runtime
from services.delivery.domains import identity_checks
from services.delivery.domains.domain import observe
from services.delivery.domains.identity_checks import Due
from services.delivery.domains.read_models import domain as domains
from services.delivery.ses.client import ACCOUNT_ERRORS
from services.delivery.ses.identities import Identities
from services.delivery.ses.identity import Identity

log = structlog.get_logger()

BATCH = 10
EVERY_SECONDS = 0.5
SECONDS_AFTER_ERROR = 5.0


class DomainVerifier:
    """Checks domains that are due; any number of processes may do so at once."""

    def __init__(self, runtime: Runtime, identities: Identities) -> None:
        self._runtime = runtime
        self._identities = identities

    async def run(self) -> None:
        await repeat(self._check_due, SECONDS_AFTER_ERROR)

    async def _check_due(self) -> float:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            due = await identity_checks.due(conn, BATCH)
        for each in due:
            await self._check(each)
        return 0.0 if len(due) == BATCH else EVERY_SECONDS

    async def _check(self, due: Due) -> None:
        """Ask SES, outside of any transaction, and record the result."""
        try:
            await self._ask(due)
        except ACCOUNT_ERRORS as error:
            log.warning("domain_verifier.ses_failed", domain=due.domain, error=repr(error))
            async with self._runtime.pool.acquire(timeout=10) as conn:
                await identity_checks.note(conn, due.domain, None, _problem(error))

    async def _ask(self, due: Due) -> None:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            rows = await domains.find(conn, [due.domain])
        owner = next((row["id"] for row in rows if not row["vouched"]), None)
        if due.made_for not in (None, owner) and not any(row["vouched"] for row in rows):
            await self._forget(due.domain)
        if owner is None:
            await self._drop(due.domain)
            return
        await self._claim(due.domain, owner)
        seen = await asyncio.to_thread(self._identities.ensure, due.domain)
        await self._record(due.domain, seen)

    async def _forget(self, name: str) -> None:
        """Delete the identity. Whoever proved the domain no longer has it, so the next owner must prove it again."""
        await asyncio.to_thread(self._identities.forget, name)

    async def _claim(self, name: str, owner: UUID) -> None:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await identity_checks.made(conn, name, owner)

    async def _drop(self, name: str) -> None:
        async with self._runtime.pool.acquire(timeout=10) as conn:
            await identity_checks.forget(conn, name)

    async def _record(self, name: str, seen: Identity) -> None:
        async with self._runtime.unit() as unit:
            for row in await domains.find(unit.conn, [name]):
                if not row["vouched"]:
                    unit.expect(f"domain-{row['id']}", row["version"])
                    events = observe(domains.domain_of(row), seen)
                    unit.append(events, Origin(project=row["project"]))
                    log.info("domain_verifier.checked", domain=name, status=seen.status, events=len(events))
            await identity_checks.note(unit.conn, name, seen.status, None)


def _problem(error: Exception) -> str:
    """Return what to tell the domain's owner."""
    if isinstance(error, ClientError):
        return error.response["Error"].get("Message") or str(error)
    return f"SES is unreachable: {type(error).__name__}"
