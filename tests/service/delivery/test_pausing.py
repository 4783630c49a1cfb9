"""A project whose bulk mail is paused: it waits, and nothing else does."""

from uuid import uuid4

from libs.runtime.process.testing import announce
from libs.schemas.feedback.reputation import ReputationCounts, SendingPaused, SendingResumed
from tests.service.delivery.driver import Office


async def test_campaigns_of_a_paused_project_wait_and_its_transactional_mail_goes_on(office: Office) -> None:
    paused = SendingPaused(project_id=office.project, reason="EMAIL_REPUTATION")
    await office.settled(await announce(office.client, office.project, paused))
    await office.campaign(await office.contacts(10))
    await office.verify_domain()
    queued = await office.send()
    await office.become({"queued": 10, "sent": 1})
    assert (await office.email(queued.email)).state == "sent"
    resumed = SendingResumed(project_id=office.project, forgiven=ReputationCounts())
    await office.settled(await announce(office.client, office.project, resumed, version=2))
    await office.become({"sent": 11})


async def test_a_pause_that_comes_after_its_end_pauses_nothing(office: Office) -> None:
    resumed = SendingResumed(project_id=office.project, forgiven=ReputationCounts())
    await office.settled(await announce(office.client, office.project, resumed, version=2))
    late = SendingPaused(project_id=office.project, reason="MANUAL")
    await office.settled(await announce(office.client, office.project, late, version=1))
    await office.campaign(await office.contacts(3))
    await office.become({"sent": 3})


async def test_another_project_is_not_paused_with_it(office: Office) -> None:
    elsewhere = uuid4()
    paused = SendingPaused(project_id=elsewhere, reason="MANUAL")
    await office.settled(await announce(office.client, elsewhere, paused))
    await office.campaign(await office.contacts(3))
    await office.become({"sent": 3})
