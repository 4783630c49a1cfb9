"""API keys: what a public key cannot do, and how a key ends (S-06, S-07)."""

import asyncio
import re
from collections.abc import Callable
from functools import partial
from uuid import UUID

import asyncpg
import httpx
import pytest

from deploy.cli import main
from libs.runtime.clock import uuid5, uuid7
from libs.runtime.eventstore.envelope import Origin
from libs.runtime.process.settings import BadSettings
from libs.runtime.process.testing import eventually, facts
from services.gateway.accounts import keys
from services.gateway.accounts.bootstrap import NAMESPACE
from services.gateway.app import build
from tests.conftest import Stack
from tests.service.gateway.conftest import World, gateway_for, url_of
from tests.service.gateway.test_requests import EVENT

UNKNOWN = "/commands/0193a0f0-0000-7000-8000-000000000000"
"""What only the gateway itself answers: 404 with a valid key, 401 with any other."""

REVOKED_WITHIN = 6.0
Run = Callable[..., "asyncio.Future[int]"]


@pytest.fixture
def godwit(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line against the servers of the test."""
    monkeypatch.setenv("GODWIT_ADMIN_DATABASE_URL", stack.admin_url)
    monkeypatch.setenv("NATS_URL", stack.nats_url)
    return lambda *words: asyncio.ensure_future(asyncio.to_thread(main, ["key", *words]))


@pytest.fixture
async def no_first_project(world: World, stack: Stack) -> None:
    """Let the database forget which keys came from the settings, so that the next ones make a project."""
    conn = await asyncpg.connect(stack.admin_url)
    await conn.execute("update gateway.api_key set from_settings = false")
    await conn.close()


async def is_valid(url: str, key: str) -> bool:
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}) as client:
        status = (await client.get(UNKNOWN)).status_code
    assert status in (401, 404), status
    return status == 404


async def test_a_key_works_once_it_is_issued_and_not_once_it_is_revoked(
    world: World, stack: Stack, godwit: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    async with gateway_for(stack, world.secret, world.public) as second:
        assert await godwit("issue", "--project", str(world.project)) == 0
        printed = capsys.readouterr().out
        [key], [key_id] = re.findall(r"^sk_\w{57}$", printed, re.MULTILINE), re.findall(r"Its id is (\S+)\.", printed)
        gateways = (world.url, url_of(second))
        assert [await is_valid(url, key) for url in gateways] == [True, True]

        assert await godwit("list", "--project", str(world.project)) == 0
        [line] = [line for line in capsys.readouterr().out.splitlines() if key_id in line]
        assert "secret" in line and "valid" in line and key not in line

        assert await godwit("revoke", key_id) == 0
        for url in gateways:
            await eventually(partial(_is_invalid, url, key), within=REVOKED_WITHIN)
            assert await is_valid(url, world.secret)
    assert key not in str(await facts(world.gateway, world.project))


async def _is_invalid(url: str, key: str) -> bool:
    return not await is_valid(url, key)


async def test_a_key_is_neither_issued_for_nor_revoked_in_a_project_that_does_not_exist(
    world: World, godwit: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(uuid5(NAMESPACE, "nowhere"))
    assert (await godwit("issue", "--project", nowhere), await godwit("revoke", nowhere)) == (1, 1)
    assert "name an existing project" in (said := capsys.readouterr().err) and "no API key with the id" in said


@pytest.mark.usefixtures("no_first_project")
async def test_a_changed_key_in_the_settings_replaces_the_old_one_in_the_same_project(stack: Stack) -> None:
    old, new, public = keys.generate("secret"), keys.generate("secret"), keys.generate("public")
    project = uuid5(NAMESPACE, old)
    async with gateway_for(stack, old, public, from_settings=True):
        pass
    async with gateway_for(stack, new, public, from_settings=True) as gateway:
        assert (await is_valid(url_of(gateway), new), await is_valid(url_of(gateway), old)) == (True, False)
        assert await project_of(gateway.pool, new) == project
        kinds = [kind for kind, _ in await facts(gateway, project)]
    assert kinds == ["project.created", "key.issued", "key.issued", "key.issued", "key.revoked"]
    async with gateway_for(stack, old, public, from_settings=True) as gateway:
        assert not await is_valid(url_of(gateway), old), "a revoked key came back"
        assert await is_valid(url_of(gateway), new)


async def project_of(pool: "asyncpg.Pool[asyncpg.Record]", key: str) -> UUID | None:
    project: UUID | None = await pool.fetchval(
        "select project from api_key where fingerprint = $1", keys.fingerprint_of(key)
    )
    return project


@pytest.mark.parametrize(
    "weak",
    [
        "sk_short",
        "sk_" + "1" * 64,
        "sk_" + "0123456789abcdef" * 4,
        "sk_" + "correcthorse" * 4,
        "pk_" + "3f1c9a7be2d04586" * 2,
        "3f1c9a7be2d0458617ab9c3de5f20814bd6a97c3",
    ],
)
def test_a_weak_key_is_refused_at_the_start(stack: Stack, weak: str) -> None:
    with pytest.raises(BadSettings, match="GODWIT_BOOTSTRAP_SECRET_KEY must"):
        build(stack.settings("gateway", bootstrap_secret_key=weak))


async def test_a_public_key_neither_occupies_the_idempotency_keys_of_others_nor_learns_their_use(world: World) -> None:
    header = {"Idempotency-Key": "order-4711"}
    async with world.client() as trusted, world.client(world.public) as stranger:
        await trusted.post("/contacts", json={"email": "ada@example.com"}, headers=header)
        tracked = await stranger.post("/v1/track", json=EVENT, headers=header)
        assert (tracked.status_code, tracked.headers.get("idempotency-replayed")) == (200, None)
        again = await stranger.post("/v1/track", json=EVENT, headers=header)
        assert (again.headers.get("idempotency-replayed"), again.json()) == ("true", tracked.json())

        occupied = {"Idempotency-Key": "order-4712"}
        await stranger.post("/v1/track", json=EVENT, headers=occupied)
        saved = await trusted.post("/contacts", json={"email": "bob@example.com"}, headers=occupied)
        assert (saved.status_code, saved.headers.get("idempotency-replayed")) == (201, None)


async def test_a_request_is_repeated_with_the_secret_key_that_replaces_the_first(world: World) -> None:
    header, replacement = {"Idempotency-Key": "rotated"}, keys.generate("secret")
    async with world.gateway.unit() as unit:
        unit.append([keys.key_issued(replacement, uuid7())], Origin(project=world.project))
    async with world.client() as first, world.client(replacement) as second:
        saved = await first.post("/contacts", json={"email": "ada@example.com"}, headers=header)
        again = await second.post("/contacts", json={"email": "ada@example.com"}, headers=header)
    assert (again.headers["idempotency-replayed"], again.content) == ("true", saved.content)


async def test_a_public_key_exhausts_its_own_limit_and_not_the_projects(stack: Stack, world: World) -> None:
    async with (
        gateway_for(stack, world.secret, world.public, api_rate_limit=5, public_key_rate_limit=3) as gateway,
        httpx.AsyncClient(base_url=url_of(gateway)) as client,
    ):
        answers = [await track(client, world.public, f"{n}@example.com") for n in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 3
        assert int(answers[3].headers["retry-after"]) > 0
        assert [await is_valid(url_of(gateway), world.secret) for _ in range(3)] == [True] * 3


async def test_one_address_and_one_network_have_limits_of_their_own(stack: Stack, world: World) -> None:
    proxied = gateway_for(
        stack,
        world.secret,
        world.public,
        api_rate_limit=100,
        public_address_rate_limit=2,
        public_network_rate_limit=4,
        trusted_proxies="127.0.0.0/8",
    )
    async with proxied as gateway, httpx.AsyncClient(base_url=url_of(gateway)) as client:
        one = [await track(client, world.public, "Ada@example.com ", peer=f"8.8.8.{n}") for n in range(3)]
        assert [answer.status_code for answer in one] == [200, 200, 429]
        many = [await track(client, world.public, f"{n}@example.com", peer="9.9.9.9") for n in range(6)]
        assert [answer.status_code for answer in many] == [200] * 4 + [429] * 2
        prefix = "2a00:1450:4001:80b::"
        same_network = [await track(client, world.public, f"{n}@b.example", peer=f"{prefix}{n}") for n in range(6)]
        assert [answer.status_code for answer in same_network] == [200] * 4 + [429] * 2
        assert (await track(client, world.public, "bob@example.com", peer="8.8.4.4")).status_code == 200
        assert (await track(client, world.secret, "Ada@example.com", peer="9.9.9.9")).status_code == 200


async def track(client: httpx.AsyncClient, key: str, email: str, peer: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"} | ({"X-Forwarded-For": peer} if peer else {})
    return await client.post("/v1/track", json=EVENT | {"email": email.strip()}, headers=headers)
