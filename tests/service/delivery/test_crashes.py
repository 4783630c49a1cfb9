"""Senders that die, that stop, and that share a rate: every mail is sent, and none twice."""

import asyncio
import os
import random
import subprocess
import sys
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from uuid import UUID

import msgspec
import pytest

from libs.runtime.clock import uuid7
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import eventually, running
from services.delivery.app import build
from services.delivery.scheduling import permit_pool
from services.delivery.scheduling.rate import AccountLimits
from services.delivery.sender import concurrency_limit
from services.delivery.sender.dispatcher import CLAIMED_PER_CALL
from tests.service.delivery.driver import DeliveryDriver, address
from tests.service.delivery.sandbox import Sandbox

pytestmark = pytest.mark.slow

ENVIRONMENT = ("database_url", "nats_url", "aws_endpoint_url", "aws_region")
KILLED = 137
# What is returned is returned to a hundredth of a second; what is given out is out until some microsecond.
STILL_OUT = """
select coalesce(sum(n), 0)::int from permit where region = $1 and mod(extract(epoch from ready_at) * 100, 1) <> 0
"""


@pytest.fixture(scope="module")
async def clerk(config: Settings) -> AsyncIterator[Runtime]:
    """A service that takes mails in and sends none."""
    async with running(msgspec.structs.replace(build(config), work=()), config) as runtime:
        yield runtime


@pytest.fixture
def driver(clerk: Runtime, project: UUID) -> DeliveryDriver:
    return DeliveryDriver(clerk, project)


@pytest.mark.parametrize("crash", ["after_claim_commit", "after_ses_accept", "after_ses_accept:20"])
async def test_a_sender_killed_at_any_moment_leaves_nobody_out_and_writes_to_nobody_twice(
    crash: str, driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    people = await driver.contacts(40)
    campaign_id = await driver.campaign(people)
    await driver.become({"queued": 40})
    while "claimed" not in await driver.states():  # mails that other tests left may be claimed first
        assert await asyncio.to_thread(die_at, crash, config) == KILLED
    async with running(build(config), config):
        await notify(driver, sandbox)
        await driver.let_time_pass("claimed")
        await asyncio.sleep(2)
        await notify(driver, sandbox)
        await driver.confirm(uuid7(), "m-other")  # notifications flow
        await driver.let_time_pass("unknown")
        await driver.become({"sent": 40})
    got = Counter(mail["to"][0] for mail in sandbox.of_project(driver.project))
    assert got == Counter(address(person) for person in people)
    book = await driver.ledger(campaign_id)
    assert (book.intents, book.sent, book.duplicates) == (40, 40, 0)


async def test_a_sender_that_is_stopped_finishes_its_calls_and_gives_the_rest_back(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    sandbox.account(latencyMs=200)
    try:
        await driver.campaign(await driver.contacts(100))
        await driver.become({"queued": 100})
        async with running(build(config), config):
            await driver.become_busy()
    finally:
        sandbox.account(latencyMs=0)
    states = await driver.states()
    assert set(states) == {"sent", "queued"}
    assert states["sent"] == len(sandbox.of_project(driver.project))
    async with running(build(config), config):
        await driver.become({"sent": 100})
    assert len(sandbox.of_project(driver.project)) == 100


async def test_a_sender_that_is_stopped_returns_the_permits_that_it_did_not_use(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    limited = msgspec.structs.replace(config, aws_region="eu-south-2")

    async def still_out() -> int:
        out: int = await driver.runtime.pool.fetchval(STILL_OUT, "eu-south-2")
        return out

    sandbox.account(maxSendRate=20)
    try:
        await driver.campaign(await driver.contacts(100))
        await driver.become({"queued": 100})
        async with running(build(limited), limited):
            await driver.become_busy()
            await eventually(still_out)
    finally:
        sandbox.account(maxSendRate=1000)
    assert await still_out() <= 0  # below 0 if one came back by itself before a slow sender returned it


async def test_a_storm_of_errors_leaves_few_in_doubt_and_everybody_gets_one_mail_after_it(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrency_limit, "MAX_PAUSE", 2.0)
    few = msgspec.structs.replace(config, send_concurrency=2)
    people = await driver.contacts(80)
    await driver.campaign(people)
    await driver.become({"queued": 80})
    sandbox.plant(None, "error_500")
    async with running(build(few), few):

        async def in_doubt() -> bool:
            return (await driver.states()).get("unknown", 0) >= CLAIMED_PER_CALL

        await eventually(in_doubt)
        await asyncio.sleep(3)
        states = await driver.states()
        assert (
            states["queued"] >= 80 - 2 * CLAIMED_PER_CALL - 5
        )  # what was claimed before the first error, and few tries
        assert not sandbox.of_project(driver.project)
        sandbox.heal()
        async with asyncio.timeout(60):
            while await driver.states() != {"sent": 80}:
                await driver.confirm(uuid7(), "m-other")  # notifications flow
                await driver.let_time_pass("unknown")
                await asyncio.sleep(0.5)
    assert Counter(mail["to"][0] for mail in sandbox.of_project(driver.project)) == Counter(map(address, people))


def busiest_second(times: Iterable[float]) -> int:
    """The most of these moments that lie within one second, wherever it begins."""
    ordered = sorted(times)
    return max(bisect_left(ordered, moment + 1.0) - place for place, moment in enumerate(ordered))


@pytest.mark.serial
async def test_two_senders_together_never_exceed_the_rate(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    limit = 40
    slow = msgspec.structs.replace(config, aws_region="eu-south-1")
    people = await driver.contacts(160)
    sandbox.account(maxSendRate=limit)
    try:
        async with running(build(slow), slow), running(build(slow), slow):
            await driver.campaign(people)
            await driver.become({"sent": 160})
    finally:
        sandbox.account(maxSendRate=1000)
    assert await driver.runtime.pool.fetchval("select throttled_at from bucket where region = 'eu-south-1'") is None
    accepted = [datetime.fromisoformat(m["acceptedAt"]).timestamp() for m in sandbox.of_project(driver.project)]
    assert busiest_second(accepted) <= limit + 1


@pytest.mark.serial
async def test_of_one_bucket_many_takers_get_no_more_than_its_rate_in_any_second(driver: DeliveryDriver) -> None:
    """However long each call takes, and though some takers never return what they took."""
    region, limit, seconds = "eu-test-1", 50, 3.0
    pool = driver.runtime.pool
    async with pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=limit, left=1e6, reserve=0))
    until = time.monotonic() + seconds
    arrived: list[float] = []

    async def call(start: float, held_until: datetime) -> tuple[datetime, float]:
        await asyncio.sleep(start + random.random() * 0.02)
        arrived.append(time.monotonic())
        await asyncio.sleep(random.random() * 0.05)
        return held_until, time.monotonic() + 1.0

    async def take(dies: bool) -> None:
        while time.monotonic() < until:
            async with pool.acquire() as conn:
                grant = await permit_pool.take(conn, region, 5)
            calls = await asyncio.gather(*(call(start, grant.held_until) for start in grant.starts))
            if dies:
                await asyncio.sleep(0.5)
                continue
            async with pool.acquire() as conn:
                await permit_pool.release(conn, region, [(held, ready - time.monotonic()) for held, ready in calls])

    await asyncio.gather(take(True), *(take(False) for _ in range(4)))
    assert busiest_second(arrived) <= limit
    assert len(arrived) > limit * seconds / 2


async def test_who_take_permits_at_once_get_each_of_them_once(driver: DeliveryDriver) -> None:
    region, limit = "eu-test-5", 10
    pool = driver.runtime.pool
    async with pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=limit, left=1e6, reserve=0))

    async def take() -> int:
        async with pool.acquire() as conn:
            return len((await permit_pool.take(conn, region, 3)).starts)

    assert sum(await asyncio.gather(*(take() for _ in range(8)))) == limit


async def test_permits_that_nobody_returns_come_back(driver: DeliveryDriver) -> None:
    region = "eu-test-4"
    async with driver.runtime.pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=5.0, left=1e6, reserve=0))
        assert len((await permit_pool.take(conn, region, 5)).starts) == 5
        assert not (await permit_pool.take(conn, region, 5)).starts

        async def back() -> bool:
            return bool((await permit_pool.take(conn, region, 5)).starts)

        await eventually(back)


async def test_a_crash_of_the_database_brings_no_permit_back(driver: DeliveryDriver) -> None:
    """It may be over within the second for which a permit has to be out: a table that is emptied then will not do."""
    kept = await driver.runtime.pool.fetchval("select relpersistence from pg_class where oid = 'permit'::regclass")
    assert kept == b"p"


async def test_the_last_of_the_daily_quota_is_for_transactional_mail(driver: DeliveryDriver) -> None:
    region = "eu-test-2"
    async with driver.runtime.pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=1000.0, left=12, reserve=10))
        grant = await permit_pool.take(conn, region, 50)
        assert (len(grant.starts), grant.bulk) == (12, 2)
        assert not (await permit_pool.take(conn, region, 50)).starts
        await permit_pool.release(conn, region, [(grant.held_until, 0.0)] * 2, unused=2)
        assert len((await permit_pool.take(conn, region, 50)).starts) == 2


@pytest.mark.serial
async def test_throttling_halves_the_rate_once_and_it_grows_back(driver: DeliveryDriver) -> None:
    region = "eu-test-3"
    async with driver.runtime.pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=100.0, left=1e6, reserve=0))
        assert await permit_pool.slow_down(conn, region) == 50.0
        assert await permit_pool.slow_down(conn, region) is None
        await asyncio.sleep(1.0)
        assert 51.5 <= (await permit_pool.take(conn, region, 1)).rate <= 60.0


@pytest.mark.serial
async def test_a_crowd_does_not_delay_another_projects_few(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    """A campaign of many is being sent when a few mails of another project are queued."""
    slow = msgspec.structs.replace(config, aws_region="eu-south-2")
    small = DeliveryDriver(driver.runtime, uuid7())
    many, few = await driver.contacts(300), await small.contacts(5)
    sandbox.account(maxSendRate=50)
    try:
        async with running(build(slow), slow):
            await driver.campaign(many)
            await driver.become_busy()
            await small.campaign(few)
            await small.become({"sent": 5}, within=5)
            assert (await driver.states()).get("queued", 0) > 0
            sandbox.account(maxSendRate=1000)
            await driver.runtime.pool.execute("update bucket set ceiling = 1000, rate = 1000")
            await driver.become({"sent": 300})
    finally:
        sandbox.account(maxSendRate=1000)


async def test_a_crowd_that_waited_before_lets_another_projects_urgent_mails_go_first(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    """But for the tenth that is kept for bulk mail, and what is claimed ahead."""
    slow = msgspec.structs.replace(config, aws_region="eu-central-2")
    few = DeliveryDriver(driver.runtime, uuid7())
    await few.verify_domain()
    await driver.campaign(await driver.contacts(150))
    await driver.become({"queued": 150})
    for reader in await few.contacts(40):
        await few.send(reader)
    sandbox.account(maxSendRate=20)
    try:
        async with running(build(slow), slow), running(build(slow), slow):
            await few.become({"sent": 40})
            sandbox.account(maxSendRate=1000)
            await driver.runtime.pool.execute("update bucket set ceiling = 1000, rate = 1000")
            await driver.become({"sent": 150})
    finally:
        sandbox.account(maxSendRate=1000)
    last_of_few = max(mail["acceptedAt"] for mail in sandbox.of_project(few.project))
    before = sum(mail["acceptedAt"] < last_of_few for mail in sandbox.of_project(driver.project))
    assert before <= 40 / 9 + 12


def die_at(crash: str, config: Settings) -> int:
    """Run the service as a process until it dies at this point; answers its exit code."""
    named = {name.upper(): str(getattr(config, name)) for name in ENVIRONMENT}
    environment = os.environ | named | {"GODWIT_CRASH_AT": crash, "GODWIT_UNKNOWN_GRACE": str(config.unknown_grace)}
    command = [sys.executable, "-m", "services.delivery"]
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


async def notify(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    """What feedback says of every mail that SES took."""
    for mail in sandbox.of_project(driver.project):
        await driver.confirm(UUID(mail["emailId"]), mail["id"])
