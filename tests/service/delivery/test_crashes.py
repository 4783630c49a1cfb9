"""Senders that die, stop or share a rate: every mail is sent, and none twice."""

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
from tests.conftest import Stack
from tests.service.delivery.driver import DeliveryDriver, address
from tests.service.delivery.sandbox import Sandbox

pytestmark = pytest.mark.slow

ENVIRONMENT = ("database_url", "nats_url", "aws_endpoint_url", "aws_region")
KILLED = 137
# Returned permits have whole hundredths of a second; granted ones have microseconds.
STILL_OUT = """
select coalesce(sum(n), 0)::int from permit where region = $1 and mod(extract(epoch from ready_at) * 100, 1) <> 0
"""


@pytest.fixture(scope="module")
async def queueing_only(config: Settings, stack: Stack) -> AsyncIterator[Runtime]:
    """Run a service that queues mails but sends none."""
    async with running(msgspec.structs.replace(build(config), work=()), config) as runtime:
        await stack.until_caught_up("delivery")
        yield runtime


@pytest.fixture
def driver(queueing_only: Runtime, project: UUID) -> DeliveryDriver:
    return DeliveryDriver(queueing_only, project)


@pytest.mark.parametrize("crash", ["after_claim_commit", "after_ses_accept", "after_ses_accept:20"])
async def test_a_sender_killed_at_any_moment_neither_skips_nor_repeats_a_mail(
    crash: str, driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    people = await driver.contacts(40)
    campaign_id = await driver.campaign(people)
    await driver.reach_states({"queued": 40})
    while "claimed" not in await driver.states():  # mails that other tests left behind may be claimed first
        assert await asyncio.to_thread(die_at, crash, config) == KILLED
    async with running(build(config), config):
        await notify(driver, sandbox)
        await driver.let_time_pass("claimed")
        await asyncio.sleep(2)
        await notify(driver, sandbox)
        await driver.confirm(uuid7(), "m-other")  # notifications arrive
        await driver.let_time_pass("unknown")
        await driver.reach_states({"sent": 40})
    got = Counter(mail["to"][0] for mail in sandbox.of_project(driver.project))
    assert got == Counter(address(person) for person in people)
    book = await driver.ledger(campaign_id)
    assert (book.intents, book.sent, book.duplicates) == (40, 40, 0)


async def test_a_stopped_sender_finishes_its_calls_and_gives_the_rest_back(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    sandbox.account(latencyMs=200)
    try:
        await driver.campaign(await driver.contacts(100))
        await driver.reach_states({"queued": 100})
        async with running(build(config), config):
            await driver.wait_until_some_sent()
    finally:
        sandbox.account(latencyMs=0)
    states = await driver.states()
    assert set(states) == {"sent", "queued"}
    assert states["sent"] == len(sandbox.of_project(driver.project))
    async with running(build(config), config):
        await driver.reach_states({"sent": 100})
    assert len(sandbox.of_project(driver.project)) == 100


async def test_a_stopped_sender_returns_its_unused_permits(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    limited = msgspec.structs.replace(config, aws_region="eu-south-2")

    async def still_out() -> int:
        out: int = await driver.runtime.pool.fetchval(STILL_OUT, "eu-south-2")
        return out

    sandbox.account(maxSendRate=20)
    try:
        await driver.campaign(await driver.contacts(100))
        await driver.reach_states({"queued": 100})
        async with running(build(limited), limited):
            await driver.wait_until_some_sent()
            await eventually(still_out)
    finally:
        sandbox.account(maxSendRate=1000)
    assert await still_out() <= 0  # below 0 if a permit returned by itself before a slow sender returned it


async def test_a_storm_of_errors_leaves_few_mails_unknown_and_each_is_sent_once_after_it(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrency_limit, "MAX_PAUSE", 2.0)
    few = msgspec.structs.replace(config, send_concurrency=2)
    people = await driver.contacts(80)
    await driver.campaign(people)
    await driver.reach_states({"queued": 80})
    sandbox.plant(None, "error_500")
    async with running(build(few), few):

        async def in_doubt() -> bool:
            return (await driver.states()).get("unknown", 0) >= CLAIMED_PER_CALL

        await eventually(in_doubt)
        await asyncio.sleep(3)
        states = await driver.states()
        assert (
            states["queued"] >= 80 - 2 * CLAIMED_PER_CALL - 5
        )  # the mails claimed before the first error, and a few more
        assert not sandbox.of_project(driver.project)
        sandbox.heal()
        async with asyncio.timeout(60):
            while await driver.states() != {"sent": 80}:
                await driver.confirm(uuid7(), "m-other")  # notifications arrive
                await driver.let_time_pass("unknown")
                await asyncio.sleep(0.5)
    assert Counter(mail["to"][0] for mail in sandbox.of_project(driver.project)) == Counter(map(address, people))


def busiest_second(times: Iterable[float]) -> int:
    """Return the largest number of these moments within any one second."""
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
            await driver.reach_states({"sent": 160})
    finally:
        sandbox.account(maxSendRate=1000)
    assert await driver.runtime.pool.fetchval("select throttled_at from bucket where region = 'eu-south-1'") is None
    accepted = [datetime.fromisoformat(m["acceptedAt"]).timestamp() for m in sandbox.of_project(driver.project)]
    assert busiest_second(accepted) <= limit + 1


@pytest.mark.serial
async def test_many_takers_together_never_get_more_permits_per_second_than_the_rate(driver: DeliveryDriver) -> None:
    """This holds however long calls take, and even if some takers never return their permits."""
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


async def test_concurrent_takers_never_get_the_same_permit(driver: DeliveryDriver) -> None:
    region, limit = "eu-test-5", 10
    pool = driver.runtime.pool
    async with pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=limit, left=1e6, reserve=0))

    async def take() -> int:
        async with pool.acquire() as conn:
            return len((await permit_pool.take(conn, region, 3)).starts)

    assert sum(await asyncio.gather(*(take() for _ in range(8)))) == limit


async def test_permits_that_nobody_returns_return_by_themselves(driver: DeliveryDriver) -> None:
    region = "eu-test-4"
    async with driver.runtime.pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=5.0, left=1e6, reserve=0))
        assert len((await permit_pool.take(conn, region, 5)).starts) == 5
        assert not (await permit_pool.take(conn, region, 5)).starts

        async def back() -> bool:
            return bool((await permit_pool.take(conn, region, 5)).starts)

        await eventually(back)


async def test_a_crash_of_the_database_returns_no_permit(driver: DeliveryDriver) -> None:
    """Recovery may take less than the second for which a permit stays out, so the table must survive the crash."""
    kept = await driver.runtime.pool.fetchval("select relpersistence from pg_class where oid = 'permit'::regclass")
    assert kept == b"p"


async def test_the_end_of_the_daily_quota_is_reserved_for_transactional_mail(driver: DeliveryDriver) -> None:
    region = "eu-test-2"
    async with driver.runtime.pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=1000.0, left=12, reserve=10))
        grant = await permit_pool.take(conn, region, 50)
        assert (len(grant.starts), grant.bulk) == (12, 2)
        assert not (await permit_pool.take(conn, region, 50)).starts
        await permit_pool.release(conn, region, [(grant.held_until, 0.0)] * 2, unused=2)
        assert len((await permit_pool.take(conn, region, 50)).starts) == 2


@pytest.mark.serial
async def test_throttling_halves_the_rate_once_and_it_recovers(driver: DeliveryDriver) -> None:
    region = "eu-test-3"
    async with driver.runtime.pool.acquire() as conn:
        await permit_pool.seed(conn, region, AccountLimits(ceiling=100.0, left=1e6, reserve=0))
        assert await permit_pool.slow_down(conn, region) == 50.0
        assert await permit_pool.slow_down(conn, region) is None
        await asyncio.sleep(1.0)
        assert 51.5 <= (await permit_pool.take(conn, region, 1)).rate <= 60.0


@pytest.mark.serial
async def test_a_large_campaign_does_not_delay_another_projects_few_mails(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    """A large campaign is being sent when a few mails of another project are queued."""
    slow = msgspec.structs.replace(config, aws_region="eu-south-2")
    small = DeliveryDriver(driver.runtime, uuid7())
    many, few = await driver.contacts(300), await small.contacts(5)
    sandbox.account(maxSendRate=50)
    try:
        async with running(build(slow), slow):
            await driver.campaign(many)
            await driver.wait_until_some_sent()
            await small.campaign(few)
            await small.reach_states({"sent": 5}, within=5)
            assert (await driver.states()).get("queued", 0) > 0
            sandbox.account(maxSendRate=1000)
            await driver.runtime.pool.execute("update bucket set ceiling = 1000, rate = 1000")
            await driver.reach_states({"sent": 300})
    finally:
        sandbox.account(maxSendRate=1000)


async def test_another_projects_urgent_mails_overtake_a_waiting_campaign(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    """Except for the tenth that is kept for bulk mail, and for mails that were claimed ahead."""
    slow = msgspec.structs.replace(config, aws_region="eu-central-2")
    few = DeliveryDriver(driver.runtime, uuid7())
    await few.verify_domain()
    await driver.campaign(await driver.contacts(150))
    await driver.reach_states({"queued": 150})
    for contact_id in await few.contacts(40):
        await few.send(contact_id)
    sandbox.account(maxSendRate=20)
    try:
        async with running(build(slow), slow), running(build(slow), slow):
            await few.reach_states({"sent": 40})
            sandbox.account(maxSendRate=1000)
            await driver.runtime.pool.execute("update bucket set ceiling = 1000, rate = 1000")
            await driver.reach_states({"sent": 150})
    finally:
        sandbox.account(maxSendRate=1000)
    last_of_few = max(mail["acceptedAt"] for mail in sandbox.of_project(few.project))
    before = sum(mail["acceptedAt"] < last_of_few for mail in sandbox.of_project(driver.project))
    assert before <= 40 / 9 + 12


def die_at(crash: str, config: Settings) -> int:
    """Run the service as a process until it dies at this point. Return its exit code."""
    named = {name.upper(): str(getattr(config, name)) for name in ENVIRONMENT}
    environment = os.environ | named | {"GODWIT_CRASH_AT": crash, "GODWIT_UNKNOWN_GRACE": str(config.unknown_grace)}
    command = [sys.executable, "-m", "services.delivery"]
    return subprocess.run(command, env=environment, timeout=60, check=False).returncode


async def notify(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    """Announce what feedback says about every mail that SES accepted."""
    for mail in sandbox.of_project(driver.project):
        await driver.confirm(UUID(mail["emailId"]), mail["id"])
