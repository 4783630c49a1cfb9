"""Check Postgres and NATS: are they running, and do they keep what they acknowledge?"""

import json
import time
from collections.abc import AsyncIterator
from urllib.request import urlopen

import asyncpg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import StorageType
from nats.js.errors import NotFoundError

from deploy.connections import connect, without_login
from deploy.doctor.deployment import Deployment
from deploy.doctor.diagnosis import (
    Diagnosis,
    ok,
    problem,
    warning,
)
from deploy.provisioning import streams
from deploy.services import SERVICES
from libs.runtime.operations.row_security import unprotected_tables

TIMEOUT = 5.0
MAX_SKEW = 5.0
MAX_TABLES = 10
ANY_ROLE = "godwit_delivery"
LOGIN_REFUSED = "Authorization Violation"
MIN_POSTGRES_VERSION = 15
"""The oldest Postgres version that works."""

SETTINGS = """
select current_setting('server_version_num')::int / 10000 as version, current_setting('fsync') = 'on' as fsync,
    current_setting('synchronous_commit') <> 'off' as synchronous, current_setting('full_page_writes') = 'on' as whole,
    extract(epoch from clock_timestamp())::float as now
"""
STATE = "select reason from delivery.sending where paused_at is not null"
DOMAINS = "select distinct domain from delivery.domain where verified order by domain limit 100"


async def postgres(deployment: Deployment) -> AsyncIterator[Diagnosis]:
    try:
        conn = await asyncpg.connect(deployment.admin_url, timeout=TIMEOUT)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        yield problem("Postgres", str(error) or repr(error), "Start it, and check GODWIT_ADMIN_DATABASE_URL.")
        return
    try:
        row = await conn.fetchrow(SETTINGS)
        assert row is not None
        yield _version(row["version"])
        yield _durability(row)
        yield _skew(row["now"])
        yield await _row_security(conn)
        yield await _sending(conn)
        yield await _postgres_login(deployment.admin_url)
    except asyncpg.UndefinedTableError:
        yield problem("schemas", "missing", "Run `godwit migrate`.")
    finally:
        await conn.close(timeout=TIMEOUT)


async def domains_of(deployment: Deployment) -> list[str]:
    """Return the verified domains that projects send from, or none if the database cannot be reached."""
    try:
        conn = await asyncpg.connect(deployment.admin_url, timeout=TIMEOUT)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return []
    try:
        return [row["domain"] for row in await conn.fetch(DOMAINS)]
    except asyncpg.UndefinedTableError:
        return []
    finally:
        await conn.close(timeout=TIMEOUT)


async def bus(deployment: Deployment) -> AsyncIterator[Diagnosis]:
    try:
        client = await connect(deployment.nats_url)
    except (OSError, NatsError) as error:
        yield problem("NATS", str(error) or repr(error), "Start it, and check NATS_URL.")
        return
    try:
        async for diagnosis in _streams(client):
            yield diagnosis
    finally:
        await client.close()
    yield await _nats_login(deployment.nats_url)
    yield _sync(deployment.nats_monitor_url)


async def _postgres_login(admin_url: str) -> Diagnosis:
    """Try to connect to Postgres as a service, with a wrong password."""
    try:
        conn = await asyncpg.connect(admin_url, user=ANY_ROLE, password="wrong", timeout=TIMEOUT)  # noqa: S106
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return ok("Postgres access", "only with a password")
    await conn.close(timeout=TIMEOUT)
    todo = (
        "Let pg_hba.conf demand scram-sha-256, and set the roles' passwords (GODWIT_ROLE_PASSWORD, `godwit migrate`)."
    )
    return warning("Postgres access", f"from here, {ANY_ROLE} needs no password", todo)


async def _row_security(conn: "asyncpg.Connection[asyncpg.Record]") -> Diagnosis:
    """Look for tables of projects in which a service's queries would see all of them."""
    tables = [row["name"] for schema in SERVICES for row in await unprotected_tables(conn, schema)]
    if tables:
        shown = ", ".join(sorted(tables)[:MAX_TABLES])
        return problem("row-level security", f"missing on {shown}", "Run `godwit migrate`.")
    return ok("row-level security", "queries see one project")


def _version(version: int) -> Diagnosis:
    if version < MIN_POSTGRES_VERSION:
        return problem("Postgres", f"version {version}", f"Use version {MIN_POSTGRES_VERSION} or later.")
    return ok("Postgres", f"version {version}")


def _durability(row: asyncpg.Record) -> Diagnosis:
    off = [name for name in ("fsync", "synchronous", "whole") if not row[name]]
    if not off:
        return ok("Postgres durability", "every commit is on disk")
    names = {"fsync": "fsync", "synchronous": "synchronous_commit", "whole": "full_page_writes"}
    settings = ", ".join(names[name] for name in off)
    return problem(
        "Postgres durability", f"{settings} off", f"Turn {settings} on: acknowledged commands could be lost."
    )


def _skew(now: float) -> Diagnosis:
    skew = abs(time.time() - now)
    if skew > MAX_SKEW:
        return warning("database clock", f"differs from ours by {skew:.0f} s", "Run NTP on both machines.")
    return ok("database clock", f"within {max(1.0, skew):.0f} s")


async def _sending(conn: "asyncpg.Connection[asyncpg.Record]") -> Diagnosis:
    reason = await conn.fetchval(STATE)
    if reason:
        return problem(
            "sending", f"paused: {reason}", "See `godwit sending --help`; continue with `godwit sending resume`."
        )
    return ok("sending", "not paused")


async def _nats_login(nats_url: str) -> Diagnosis:
    """Try to connect to NATS as nobody."""
    try:
        client = await connect(without_login(nats_url))
    except ConnectionError as refusal:
        if LOGIN_REFUSED in str(refusal):
            return ok("NATS access", "only for users with a password")
        return warning("NATS access", str(refusal), "Run `godwit doctor` again: the server did not answer.")
    await client.close()
    todo = "Configure users (`godwit bus users` prints them), and put each into the NATS_URL of its service."
    return problem("NATS access", "anybody may connect, read addresses and send commands", todo)


async def _streams(client: Client) -> AsyncIterator[Diagnosis]:
    js = client.jetstream(timeout=TIMEOUT)
    in_memory = []
    for stream in streams.STREAMS:
        try:
            info = await js.stream_info(stream.name)
        except NotFoundError:
            yield problem(f"stream {stream.name}", "missing", "Run `godwit migrate`.")
            return
        if info.config.storage != StorageType.FILE:
            in_memory.append(stream.name)
        if stream.name == "DEAD" and info.state.messages:
            yield warning("dead letters", f"{info.state.messages}", "See `godwit dead list`; retry or drop them.")
    if in_memory:
        yield problem("NATS streams", f"in memory: {', '.join(in_memory)}", "Keep them in files.")
    else:
        yield ok("NATS streams", f"{len(streams.STREAMS)}, in files")


def _sync(monitor: str | None) -> Diagnosis:
    todo = "Set `sync_interval: always` in the jetstream block: otherwise a power cut can lose two minutes of messages."
    if monitor is None:
        return warning("NATS durability", "not visible", f"Pass --nats-monitor URL, or check by hand. {todo}")
    try:
        with urlopen(f"{monitor}/varz", timeout=TIMEOUT) as answer:  # noqa: S310 - the operator names it
            config = json.load(answer).get("jetstream", {}).get("config", {})
    except OSError as error:
        return warning("NATS durability", str(error), f"Check --nats-monitor. {todo}")
    if config.get("sync_always"):
        return ok("NATS durability", "every acknowledged message is on disk")
    return problem("NATS durability", f"synced every {config.get('sync_interval', 0) / 1e9:.0f} s", todo)
