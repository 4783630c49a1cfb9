"""Issue, list or revoke the API keys of a project."""

import argparse
import asyncio
from typing import TYPE_CHECKING
from uuid import UUID

from deploy.commands import Failed

if TYPE_CHECKING:
    import asyncpg

    from libs.schemas.base import Command
    from libs.schemas.gateway import KeyKind, KeyView

EPILOG = """\
A secret key (sk_) may do everything that its project may. A public key (pk_), for browsers and apps, may only track
events. A new key is shown once and never again: only its fingerprint is stored.

A revoked key stops working within five seconds in every gateway, and never works again. So does the key that
GODWIT_BOOTSTRAP_SECRET_KEY or GODWIT_BOOTSTRAP_PUBLIC_KEY named before, once a gateway starts with another one.

examples:
  godwit key issue --public
  godwit key list
  godwit key revoke 0193...
"""
PROJECTS = "select id, name from gateway.project order by created_at"
KEYS = """
select id, project, kind, hint, created_at, revoked_at from gateway.api_key
where $1::uuid is null or project = $1 order by created_at, id
"""
PROJECT_OF = "select project from gateway.api_key where id = $1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = EPILOG
    actions = parser.add_subparsers(dest="action", required=True, metavar="issue|list|revoke")
    issue = actions.add_parser("issue", help="make a key and print it")
    issue.add_argument("--public", action="store_true", help="a public key, for browsers and apps")
    issue.add_argument("--project", type=UUID, metavar="ID", help="its project, if there are several")
    listing = actions.add_parser("list", help="print one line per key")
    listing.add_argument("--project", type=UUID, metavar="ID", help="only the keys of this project")
    revoke = actions.add_parser("revoke", help="make a key invalid, for good")
    revoke.add_argument("key", type=UUID, metavar="ID", help="id shown by `list`")


def run(args: argparse.Namespace) -> int:
    actions = {"issue": _issue, "list": _list, "revoke": _revoke}
    asyncio.run(actions[args.action](args))
    return 0


async def _issue(args: argparse.Namespace) -> None:
    from libs.runtime.clock import uuid7
    from libs.schemas.gateway import IssueKey
    from services.gateway.accounts import keys

    project = await _project(args.project)
    kind: KeyKind = "public" if args.public else "secret"
    key = keys.generate(kind)
    issued = keys.key_issued(key, uuid7())
    command = IssueKey(key_id=issued.key_id, kind=kind, fingerprint=issued.fingerprint, hint=issued.hint)
    view = await _send(project, command)
    print(f"{key}\n\nThis is the only time that the key is shown. Its id is {view.id}.")


async def _list(args: argparse.Namespace) -> None:
    from deploy.connections import database

    async with database() as conn:
        rows = await conn.fetch(KEYS, args.project)
    for row in rows:
        print(_line(row))


async def _revoke(args: argparse.Namespace) -> None:
    from deploy.connections import database
    from libs.schemas.gateway import RevokeKey

    async with database() as conn:
        project = await conn.fetchval(PROJECT_OF, args.key)
    if project is None:
        raise Failed(f"there is no API key with the id {args.key}: `godwit key list` shows them")
    view = await _send(project, RevokeKey(key_id=args.key))
    print(f"{view.hint} is revoked; within five seconds no gateway accepts it any more")


async def _send(project: UUID, command: "Command") -> "KeyView":
    from deploy.connections import bus, send_command
    from libs.kernel.rejection import Rejected
    from libs.runtime.messaging.bus import Unavailable
    from libs.schemas.gateway import KeyView

    async with bus() as client:
        try:
            return await send_command(client, project, command, KeyView)
        except (Rejected, Unavailable) as failed:
            raise Failed(str(failed)) from failed


async def _project(wanted: UUID | None) -> UUID:
    """Return the project that is wanted, or the only one. Raise Failed if there is no such project, or no only one."""
    from deploy.connections import database

    async with database() as conn:
        names = {UUID(str(row["id"])): row["name"] for row in await conn.fetch(PROJECTS)}
    if wanted is None and len(names) == 1:
        return next(iter(names))
    if wanted in names:
        return wanted
    known = ", ".join(f"{project} ({name})" for project, name in names.items()) or "none"
    raise Failed(f"name an existing project with --project: {known}")


def _line(row: "asyncpg.Record") -> str:
    state = f"revoked {row['revoked_at']:%Y-%m-%d %H:%M}" if row["revoked_at"] else "valid"
    return (
        f"{row['id']}  {row['kind']:<6}  {row['hint']}  project {row['project']}  {row['created_at']:%Y-%m-%d}  {state}"
    )
