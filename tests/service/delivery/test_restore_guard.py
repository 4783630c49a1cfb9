"""A database from a backup sends nothing until an operator resumes sending."""

import msgspec

from deploy.commands import sending
from libs.runtime.clock import uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.runtime import Runtime
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import announce, eventually, running
from libs.schemas.delivery.domains import DomainAdded
from libs.schemas.delivery.sending import GetOutgoing, Outgoing
from services.delivery.app import build
from tests.conftest import Stack
from tests.service.delivery.driver import DeliveryDriver

LIFT = "update sending set paused_at = null, reason = null, epoch = null, acknowledged = $1"


async def test_a_database_of_another_epoch_sends_nothing_until_it_is_resumed(
    driver: DeliveryDriver, delivery: Runtime, config: Settings
) -> None:
    await delivery.pool.execute("update sending set epoch = 'before'")
    other = msgspec.structs.replace(config, restore_guard=True, instance_epoch="after")
    async with running(build(other), other):
        await until_paused(driver, 'The database belongs to epoch "before", this deployment to "after".')
        await driver.verify_domain()
        await driver.send()
        await driver.reach_states({"queued": 1})
        await delivery.pool.execute(LIFT, None)
        await driver.reach_states({"sent": 1})
        assert await delivery.pool.fetchval("select epoch from sending") == "after"
    await delivery.pool.execute("update sending set epoch = null")


async def test_a_database_that_lacks_an_event_of_the_bus_sends_nothing_until_resumed(
    driver: DeliveryDriver, delivery: Runtime, config: Settings, stack: Stack
) -> None:
    forgotten = DomainAdded(domain_id=uuid7(), domain="forgotten.example")
    event = await announce(stack.client, driver.project, forgotten)
    guarded = msgspec.structs.replace(config, restore_guard=True)
    async with running(build(guarded), guarded):
        await until_paused(driver, "restored from a backup")
    await delivery.pool.execute(LIFT, event)
    async with running(build(guarded), guarded):
        await driver.verify_domain()
        await driver.send()
        await driver.reach_states({"sent": 1})
    assert not (await ask(driver.client, driver.project, GetOutgoing(), Outgoing)).paused


async def until_paused(driver: DeliveryDriver, reason: str) -> None:
    async def paused() -> bool:
        state = await ask(driver.client, driver.project, GetOutgoing(), Outgoing)
        return state.paused and reason in (state.reason or "")

    await eventually(paused, 30)


def test_the_operator_resumes_what_the_guard_paused() -> None:
    assert " ".join(sending.RESUME.split()).replace("delivery.", "") == LIFT
