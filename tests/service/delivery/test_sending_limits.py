"""A project's own sending limits: they hold for that project only, and are shown in its progress."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import pytest

from libs.runtime.clock import uuid7
from libs.runtime.messaging.bus import ask
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import eventually, running, tell
from libs.schemas.delivery.sending import GetSendingState, SendingState
from libs.schemas.delivery.sending_limits import GetSendingLimits, SendingLimits, SetSendingLimits
from services.delivery.app import build
from tests.service.delivery.driver import DeliveryDriver, content
from tests.service.delivery.sandbox import Sandbox
from tests.service.delivery.test_crashes import busiest_second

PARTITIONS = "select distinct line from email where project = $1 and state = 'queued'"
HALF_A_SECOND_MORE = 1.5
"""The mails of one second, and the burst."""


async def limit(driver: DeliveryDriver, per_second: float | None = None, **domains: float) -> SendingLimits:
    named = {name.replace("_", "."): rate for name, rate in domains.items()}
    command = SetSendingLimits(project_id=driver.project, per_second=per_second, domains=named)
    return await tell(driver.client, driver.project, command, SendingLimits)


async def waits_for(driver: DeliveryDriver, campaign: UUID) -> tuple[str | None, str | None]:
    state = await ask(driver.client, driver.project, GetSendingState(campaign_id=campaign), SendingState)
    return state.waiting_for, state.detail


def times(sandbox: Sandbox, project: UUID) -> Sequence[float]:
    return sorted(datetime.fromisoformat(m["acceptedAt"]).timestamp() for m in sandbox.of_project(project))


@pytest.mark.serial
async def test_a_projects_limit_holds_for_all_replicas_together_and_for_no_other_project(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    other = DeliveryDriver(driver.runtime, uuid7())
    await limit(driver, per_second=5)
    people, others = await driver.contacts(20), await other.contacts(60)
    async with running(build(config), config):
        campaign = await driver.campaign(people)
        await driver.wait_until_some_sent()
        assert await waits_for(driver, campaign) == ("PROJECT_LIMIT", None)
        await other.campaign(others)
        await other.reach_states({"sent": 60})
        assert (await driver.states()).get("queued", 0) > 0
        await driver.reach_states({"sent": 20})
    took = times(sandbox, driver.project)
    assert took[-1] - took[0] >= (20 - 5 * HALF_A_SECOND_MORE) / 5
    assert busiest_second(took) <= 5 * HALF_A_SECOND_MORE + 2  # claims run slightly ahead of calls


async def test_mails_to_a_limited_domain_do_not_delay_others(driver: DeliveryDriver) -> None:
    await limit(driver, slow_example=0.1)
    await driver.verify_domain()
    for _ in range(5):
        await driver.send(recipient=f"{uuid7().hex}@Slow.Example")
    await driver.reach_states({"sent": 1, "queued": 4})
    for _ in range(5):
        await driver.send()
    await driver.reach_states({"sent": 6, "queued": 4})


async def test_limits_apply_to_queued_mails_and_removing_them_releases_those(driver: DeliveryDriver) -> None:
    campaign = uuid7()
    await driver.page(campaign, await driver.contacts(6))  # they wait for their content
    await driver.reach_states({"queued": 6})
    await limit(driver, example_net=0.1)

    async def in_partition() -> bool:
        rows = await driver.runtime.pool.fetch(PARTITIONS, driver.project)
        return [row["line"] for row in rows] == ["example.net"]

    await eventually(in_partition)
    await driver.begin_sending(campaign)
    await driver.reach_states({"sent": 1, "queued": 5})
    assert await waits_for(driver, campaign) == ("DOMAIN_LIMIT", "example.net")
    await limit(driver)
    await driver.reach_states({"sent": 6})
    assert await ask(driver.client, driver.project, GetSendingLimits(), SendingLimits) == SendingLimits()


async def test_a_limited_project_sends_transactional_mail_first(driver: DeliveryDriver) -> None:
    await limit(driver, per_second=1)
    await driver.campaign(await driver.contacts(12))
    await driver.wait_until_some_sent()
    urgent = await driver.send(content=content("TRANSACTIONAL"))

    async def sent() -> bool:
        return (await driver.email(urgent.email)).state == "sent"

    await eventually(sent)
    assert (await driver.states())["queued"] > 0
    await limit(driver)
    await driver.reach_states({"sent": 13})
