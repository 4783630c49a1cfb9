"""The embedded Postgres lets every role in with its own password only, also on data from before passwords."""

from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from deploy.embedded import access, backend, passwords, postgres
from deploy.embedded.layout import Layout
from deploy.provisioning.prepare import prepare_services
from deploy.services import declared_services

REFUSED = (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)
TRUST = "local all all trust\nlocal replication all trust\n"


async def lets_in(url: str) -> bool:
    try:
        conn = await asyncpg.connect(url, timeout=10)
    except REFUSED:
        return False
    await conn.close(timeout=5)
    return True


def with_login(url: str, login: str) -> str:
    return f"postgresql://{login}@{url.rpartition('@')[2]}"


async def test_a_local_client_without_the_right_password_gets_nothing(tmp_path: Path) -> None:
    with backend.running(tmp_path) as servers:
        admin = servers.admin_url
        known = passwords.obtain(Layout(tmp_path))
        await prepare_services(admin, servers.nats_url, declared_services(), known.services)
        assert await lets_in(admin)
        for login in ("postgres", "postgres:", "postgres:wrong", "godwit_contacts", "nobody:x"):
            assert not await lets_in(with_login(admin, login)), login
        for role, password in known.services.items():
            assert await lets_in(with_login(admin, f"{role}:{password}")), role
        assert not await lets_in(with_login(admin, f"godwit_delivery:{known.services['godwit_contacts']}"))
        await cannot_read_another_schema(with_login(admin, f"godwit_contacts:{known.services['godwit_contacts']}"))


async def cannot_read_another_schema(url: str) -> None:
    conn = await asyncpg.connect(url, timeout=10)
    try:
        for forbidden in ("select * from delivery.email", "select * from pg_authid", "set role godwit_delivery"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(forbidden)
    finally:
        await conn.close(timeout=5)


async def test_a_cluster_that_trusted_everybody_is_converted(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with backend.running(tmp_path) as servers:
        conn = await asyncpg.connect(servers.admin_url, timeout=10)
        await conn.execute("create table kept as select 1 as one; alter role postgres password null")
        await conn.close()
    (layout.postgres / "superuser.sha256").unlink()
    (layout.cluster / "pg_hba.conf").write_text(TRUST)
    with backend.running(tmp_path) as servers:
        assert not await lets_in(with_login(servers.admin_url, "postgres"))
        conn = await asyncpg.connect(servers.admin_url, timeout=10)
        assert await conn.fetchval("select one from kept") == 1
        await conn.close()
        assert (layout.cluster / "pg_hba.conf").read_text() == access.HBA


async def test_lost_passwords_are_replaced_at_the_next_start(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with backend.running(tmp_path) as servers:
        before = urlsplit(servers.admin_url).password
    layout.secrets.unlink()
    with backend.running(tmp_path) as servers:
        assert urlsplit(servers.admin_url).password != before
        assert await lets_in(servers.admin_url)
        assert not await lets_in(with_login(servers.admin_url, f"postgres:{before}"))


def test_passwords_are_in_files_of_their_owner_only(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    tmp_path.chmod(0o755)
    with backend.running(tmp_path):
        directories = (tmp_path, layout.run, layout.logs, layout.nats, layout.postgres, layout.cluster)
        assert {each.stat().st_mode & 0o777 for each in directories} == {0o700}
        files = (layout.secrets, layout.nats / "nats.conf", layout.postgres / "superuser.sha256")
        assert {each.stat().st_mode & 0o777 for each in files} == {0o600}


def test_the_server_listens_on_its_socket_only() -> None:
    assert postgres.SETTINGS["listen_addresses"] == ""
