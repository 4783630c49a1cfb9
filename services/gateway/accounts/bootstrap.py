"""The first project, from the settings: its keys, and the sending domain that the operator vouches for.

Ids follow from the keys, so that any number of replicas, and every later start, make one project.
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


async def create_project(runtime: Runtime) -> UUID | None:
    """The project and its keys, unless they are there already; answers its id. None if the settings name no key.

    Waits for the database as long as it takes.
    """
    config = runtime.settings
    keys = [key for key in (config.bootstrap_secret_key, config.bootstrap_public_key) if key]
    if not keys:
        return None
    project = uuid5(NAMESPACE, keys[0])
    facts: list[Event] = [ProjectCreated(project_id=project, name=config.bootstrap_domain)]
    facts += [key_issued(key, uuid5(project, key)) for key in keys]
    for fact in facts:
        await _record(runtime, project, fact)
    return project


async def _record(runtime: Runtime, project: UUID, fact: Event) -> None:
    while True:
        try:
            async with runtime.unit() as unit:
                unit.append([fact], Origin(project=project, meta=ACTOR))
            return
        except StreamConflict:
            return  # another replica did it, or an earlier start
        except CONNECTION_ERRORS as broken:
            log.warning("bootstrap.database_unreachable", error=repr(broken))
            await asyncio.sleep(PAUSE_SECONDS)


async def add_domain(bus: Bus, project: UUID, domain: str) -> None:
    """The verified domain. Waits for the delivery service as long as it takes."""
    command = AddDomain(domain_id=uuid5(project, domain), domain=domain, verified=True)
    envelope = Envelope(id=uuid5(project, f"add {domain}"), project=project, message=command, at=now(), meta=ACTOR)
    while True:
        try:
            await bus.execute(envelope)
            return
        except Rejected as no:
            log.warning("bootstrap.domain_refused", domain=domain, code=no.code, reason=no.message)
            return
        except (CommandPending, Unavailable, *CONNECTION_ERRORS) as later:
            log.info("bootstrap.waiting_for_delivery", error=repr(later))
            await asyncio.sleep(PAUSE_SECONDS)
