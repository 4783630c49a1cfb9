"""Postgres and NATS as the embedded stack runs them."""

import asyncio
import os
from pathlib import Path

import asyncpg
import nats
import pytest

from deploy.embedded import backend, cluster, postgres
from deploy.embedded.backend import Backend
from deploy.embedded.errors import CannotStart
from deploy.embedded.layout import MAX_SOCKET_PATH, Layout


async def answers(servers: Backend) -> dict[str, str]:
    """Return what the database reports about itself."""
    conn = await asyncpg.connect(servers.admin_url, timeout=5)
    try:
        names = ("fsync", "synchronous_commit", "listen_addresses", "server_encoding", "TimeZone")
        return {name: await conn.fetchval("select current_setting($1)", name) for name in names}
    finally:
        await conn.close()


async def streams(servers: Backend) -> int:
    client = await nats.connect(servers.nats_url, connect_timeout=5)
    try:
        return (await client.jetstream().account_info()).streams
    finally:
        await client.close()


def test_a_commit_and_an_acknowledged_message_are_on_disk(tmp_path: Path) -> None:
    with backend.running(tmp_path) as servers:
        assert asyncio.run(answers(servers)) == {
            "fsync": "on",
            "synchronous_commit": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
        }
        assert asyncio.run(streams(servers)) == 0
        assert "sync_interval: always" in (tmp_path / "nats" / "nats.conf").read_text()


def test_any_path_works_and_the_data_stays(tmp_path: Path) -> None:
    directory = tmp_path / "a long, strange ünd 'quoted' %20 path" / ("x" * MAX_SOCKET_PATH)
    layout = Layout.create(directory)
    assert layout.socket_dir != layout.postgres
    for _ in range(2):
        with backend.running(directory) as servers:
            assert asyncio.run(answers(servers))["fsync"] == "on"
    assert not layout.socket_dir.exists()


def test_an_unfinished_cluster_is_created_again(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    half = layout.postgres / "18.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    layout.postgres.chmod(0o700)
    with backend.running(tmp_path) as servers:
        assert asyncio.run(answers(servers))["fsync"] == "on"
    assert not half.exists()


def test_a_stale_lock_with_the_process_id_of_another_program_is_ignored(tmp_path: Path) -> None:
    with backend.running(tmp_path):
        lock = Layout(tmp_path).cluster / "postmaster.pid"
        left_behind = lock.read_text()
    lock.write_text("1\n" + left_behind.split("\n", 1)[1])
    with backend.running(tmp_path) as servers:
        assert asyncio.run(answers(servers))["fsync"] == "on"


def test_a_cluster_in_use_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "EARLIER_SERVER_LIMIT", 0.2)
    with backend.running(tmp_path), pytest.raises(CannotStart, match="stop it and start again"):
        postgres.await_earlier_server(Layout(tmp_path))


def test_directories_that_were_open_to_others_are_closed(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    directories = (tmp_path, layout.run, layout.logs, layout.nats, layout.sandbox, layout.postgres)
    for directory in directories:
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
    Layout.create(tmp_path)
    cluster.claim_directory(layout.postgres, layout)
    assert {directory.stat().st_mode & 0o777 for directory in directories} == {0o700}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_not_used_for_the_socket(tmp_path: Path) -> None:
    layout = Layout.create(tmp_path)
    layout.postgres.mkdir()
    os.chown(layout.postgres, 12345, 12345)
    with pytest.raises(CannotStart, match="belongs to another user"):
        cluster.claim_directory(layout.postgres, layout)
