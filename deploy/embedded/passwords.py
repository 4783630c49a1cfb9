"""The passwords of the users of the embedded NATS and of the roles of the embedded Postgres, in `secrets.json`."""

import secrets
from collections.abc import Iterable, Mapping

import msgspec

from deploy.embedded import keys
from deploy.embedded.access import SUPERUSER
from deploy.embedded.layout import Layout
from deploy.provisioning import permissions
from deploy.services import SERVICES

ROLES = {service: f"godwit_{service}" for service in SERVICES}
"""The database role of each service, as `libs.runtime.operations.migrations` creates it."""

BUS, DATABASE = "NATS_PASSWORD_", "POSTGRES_PASSWORD_"


class Passwords(msgspec.Struct, frozen=True):
    """The passwords of the users of the bus, and of the database roles, by name."""

    bus: Mapping[str, str]
    database: Mapping[str, str]

    @property
    def services(self) -> dict[str, str]:
        """The passwords of the services' database roles."""
        return {role: self.database[role] for role in ROLES.values()}


def obtain(layout: Layout, *more_users: str) -> Passwords:
    """Return all passwords, after generating those that are missing. `more_users` are further users of the bus."""
    kept = keys.read(layout)
    users = [*(user.name for user in permissions.users()), *more_users]
    names = [*_names(BUS, users), *_names(DATABASE, (SUPERUSER, *ROLES.values()))]
    new = {name: secrets.token_hex(32) for name in names if name not in kept}
    if new:
        keys.write(layout, kept | new)
    known = kept | new
    return Passwords(_with_prefix(known, BUS), _with_prefix(known, DATABASE))


def _names(prefix: str, users: Iterable[str]) -> list[str]:
    return [prefix + user.upper() for user in users]


def _with_prefix(known: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix).lower(): value for name, value in known.items() if name.startswith(prefix)}
