"""Creates the first project from the settings: its keys, and a sending domain that the operator vouches for.

Ids are derived from the keys, so that any number of replicas, and every later start, create the same project.
"""

import asyncio
from uuid import UUID

import structlog

from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid5
from libs.runtime.eventstore.envelope import Envelope, Meta, Origin
from libs.runtime.eventstore.store import StreamConflict
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.process.runtime import Runtime
from libs.schemas.base import Event
from libs.schemas.delivery.domains import AddDomain
from libs.schemas.gateway import ProjectCreated
from services.gateway.accounts.keys import key_issued
from services.gateway.bus.bus import Bus, CommandPending

log = structlog.get_logger()

NAMESPACE = UUID("9d0c6a0e-6c3b-5d0e-9a53-0b6f4d1f1a77")
ACTOR = Meta(actor="bootstrap")
PAUSE_SECONDS = 0.5


class Bootstrap:
    """Creates the first project. The process is not ready before both steps are done."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._project: UUID | None = None
        self._done = False
        runtime.checks["bootstrap"] = self._pending

    async def create_project(self) -> None:
        """Create the project and its keys unless they exist, or nothing if the settings name no key.

        Waits for the database as long as it takes.
        """
        config = self._runtime.settings
        keys = [key for key in (config.bootstrap_secret_key, config.bootstrap_public_key) if key]
        if not keys:
            return
        self._project = project = uuid5(NAMESPACE, keys[0])
        events: list[Event] = [ProjectCreated(project_id=project, name=config.bootstrap_domain)]
        events += [key_issued(key, uuid5(project, key)) for key in keys]
        for event in events:
            await self._append(project, event)

    async def add_domain(self, bus: Bus) -> None:
        """Add the verified domain to the project. Waits for the delivery service as long as it takes."""
        if self._project:
            await _add_domain(bus, self._project, self._runtime.settings.bootstrap_domain)
        self._done = True

    async def _append(self, project: UUID, event: Event) -> None:
        while True:
            try:
                async with self._runtime.unit() as unit:
                    unit.append([event], Origin(project=project, meta=ACTOR))
                return
            except StreamConflict:
                return  # another replica or an earlier start has done it
            except CONNECTION_ERRORS as error:
                log.warning("bootstrap.database_unreachable", error=repr(error))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _pending(self) -> str | None:
        return None if self._done else "the first project's domain has not been added yet"


async def _add_domain(bus: Bus, project: UUID, domain: str) -> None:
    command = AddDomain(domain_id=uuid5(project, domain), domain=domain, verified=True)
    envelope = Envelope(id=uuid5(project, f"add {domain}"), project=project, message=command, at=now(), meta=ACTOR)
    while True:
        try:
            await bus.execute(envelope)
            return
        except Rejected as rejection:
            log.warning("bootstrap.domain_rejected", domain=domain, code=rejection.code, reason=rejection.message)
            return
        except (CommandPending, Unavailable, *CONNECTION_ERRORS) as error:
            log.info("bootstrap.waiting_for_delivery", error=repr(error))
            await asyncio.sleep(PAUSE_SECONDS)
