"""Creates the first project from the settings: its keys, and a sending domain that the operator vouches for.

Ids are derived from the keys, so that any number of replicas, and every later start, create the same project. A key
that changed replaces the one that the settings named before, which is revoked.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import structlog

from libs.kernel.rejection import Rejected
from libs.runtime.clock import now, uuid5
from libs.runtime.eventstore.envelope import Envelope, Meta, Origin
from libs.runtime.eventstore.store import StreamConflict, UnitOfWork
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.messaging.group_commit import CONNECTION_ERRORS
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import BadSettings, Settings
from libs.schemas.delivery.domains import AddDomain
from libs.schemas.gateway import ProjectCreated
from services.gateway.accounts.bootstrap_keys import key_changes, project_of
from services.gateway.accounts.key_strength import weakness_of
from services.gateway.accounts.keys import PREFIXES, fingerprint_of, key_issued
from services.gateway.accounts.read_models import api_key
from services.gateway.bus.bus import Bus, CommandPending

log = structlog.get_logger()

NAMESPACE = UUID("9d0c6a0e-6c3b-5d0e-9a53-0b6f4d1f1a77")
ACTOR = Meta(actor=api_key.BOOTSTRAP)
PAUSE_SECONDS = 0.5


def require_strong_keys(config: Settings) -> None:
    """Raise BadSettings for a key in the settings that can be guessed."""
    given = {"secret": config.bootstrap_secret_key, "public": config.bootstrap_public_key}
    for kind, prefix in PREFIXES.items():
        key = given[kind]
        if key and (weakness := weakness_of(key, prefix)):
            name = f"GODWIT_BOOTSTRAP_{kind.upper()}_KEY"
            raise BadSettings(f'{name} {weakness}. A good one: echo "{prefix}$(openssl rand -hex 32)"')


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
        while keys and not self._project:
            try:
                async with self._runtime.unit() as unit:
                    project = await _settle_keys(unit, keys, config.bootstrap_domain)
                self._project = project
            except StreamConflict:
                await asyncio.sleep(PAUSE_SECONDS)  # another replica was faster: look at what it has done
            except CONNECTION_ERRORS as error:
                log.warning("bootstrap.database_unreachable", error=repr(error))
                await asyncio.sleep(PAUSE_SECONDS)

    async def add_domain(self, bus: Bus) -> None:
        """Add the verified domain to the project. Waits for the delivery service as long as it takes."""
        if self._project:
            await _add_domain(bus, self._project, self._runtime.settings.bootstrap_domain)
        self._done = True

    async def _pending(self) -> str | None:
        return None if self._done else "the first project's domain has not been added yet"


async def _settle_keys(unit: UnitOfWork, keys: Sequence[str], name: str) -> UUID:
    """Append what the keys in the settings change, and return their project."""
    fingerprints = [fingerprint_of(key) for key in keys]
    known = await api_key.known_at_start(unit.conn, fingerprints)
    existing = project_of(fingerprints, known)
    project = existing or uuid5(NAMESPACE, keys[0])
    for key in known:
        unit.expect(f"key-{key.id}", 2 if key.revoked else 1)
        if key.revoked and key.fingerprint in fingerprints:
            log.error("bootstrap.key_was_revoked", key=key.hint, hint="set a new one, or run `godwit key issue`")
    created = [] if existing else [ProjectCreated(project_id=project, name=name)]
    given = [key_issued(key, uuid5(project, key)) for key in keys]
    unit.append([*created, *key_changes(given, known, project)], Origin(project=project, meta=ACTOR))
    return project


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
