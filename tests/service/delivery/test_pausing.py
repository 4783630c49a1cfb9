"""A project whose bulk mail is paused: only that mail waits."""

from uuid import uuid4

from libs.runtime.process.testing import announce
from libs.schemas.feedback.reputation import ReputationCounts, SendingPaused, SendingResumed
from tests.service.delivery.driver import DeliveryDriver


async def test_campaigns_of_a_paused_project_wait_but_transactional_mail_does_not(driver: DeliveryDriver) -> None:
    paused = SendingPaused(project_id=driver.project, reason="EMAIL_REPUTATION")
    await driver.settled(await announce(driver.client, driver.project, paused))
    await driver.campaign(await driver.contacts(10))
    await driver.verify_domain()
    queued = await driver.send()
    await driver.reach_states({"queued": 10, "sent": 1})
    assert (await driver.email(queued.email)).state == "sent"
    resumed = SendingResumed(project_id=driver.project, forgiven=ReputationCounts())
    await driver.settled(await announce(driver.client, driver.project, resumed, version=2))
    await driver.reach_states({"sent": 11})


async def test_a_pause_that_arrives_after_its_end_pauses_nothing(driver: DeliveryDriver) -> None:
    resumed = SendingResumed(project_id=driver.project, forgiven=ReputationCounts())
    await driver.settled(await announce(driver.client, driver.project, resumed, version=2))
    late = SendingPaused(project_id=driver.project, reason="MANUAL")
    await driver.settled(await announce(driver.client, driver.project, late, version=1))
    await driver.campaign(await driver.contacts(3))
    await driver.reach_states({"sent": 3})


async def test_another_project_is_not_paused_with_it(driver: DeliveryDriver) -> None:
    elsewhere = uuid4()
    paused = SendingPaused(project_id=elsewhere, reason="MANUAL")
    await driver.settled(await announce(driver.client, elsewhere, paused))
    await driver.campaign(await driver.contacts(3))
    await driver.reach_states({"sent": 3})
