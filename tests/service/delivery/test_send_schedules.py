"""Campaigns with a send rate or a send window."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from libs.runtime.clock import now
from libs.runtime.messaging.bus import ask
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import announce, eventually, running
from libs.schemas.campaigns.campaigns import CampaignCancelled, CampaignPaused, CampaignResumed, SendWindow
from libs.schemas.delivery.sending import GetSendingState, SendingState
from libs.schemas.gateway import ProjectUpdated
from services.delivery.app import build
from tests.service.delivery.driver import DeliveryDriver, address
from tests.service.delivery.sandbox import Sandbox
from tests.service.delivery.test_campaign_holds import parked, tell_of

ON_THE_OTHER_SIDE = "Etc/GMT-12"
WAITING = """
select count(*) from email
where project = $1 and state = 'queued' and reason = $2 and due_at > clock_timestamp()
    and due_at < clock_timestamp() + interval '3 days'
"""
CLAIMED = "select claimed_at from email where project = $1 and state = 'sent' order by claimed_at"
AHEAD = "select max(due_at) - clock_timestamp() from email where project = $1 and state = 'queued'"
OPEN = "update campaign_pace set send_window = null where project = $1"
DUE = "update email set due_at = clock_timestamp() where project = $1 and state = 'queued'"


def hours(opens: timedelta, closes: timedelta, **fields: object) -> SendWindow:
    """Return a window from this long before now until this long after, in UTC."""
    start, end = (now() - opens).strftime("%H:%M"), (now() + closes).strftime("%H:%M")
    return SendWindow(start=start, end=end, **fields)  # type: ignore[arg-type]


def around_now(**fields: object) -> SendWindow:
    return hours(timedelta(hours=2), timedelta(hours=2), **fields)


def later() -> SendWindow:
    return hours(-timedelta(hours=6), timedelta(hours=10))


async def wait_for_waiting(driver: DeliveryDriver, reason: str, count: int) -> None:
    async def are_waiting() -> bool:
        return bool(await driver.runtime.pool.fetchval(WAITING, driver.project, reason) == count)

    await eventually(are_waiting)


async def state(driver: DeliveryDriver, campaign_id: UUID, queued: int) -> SendingState:
    query = GetSendingState(campaign_id=campaign_id, queued=queued)
    return await ask(driver.client, driver.project, query, SendingState)


async def settle_in(driver: DeliveryDriver, timezone: str) -> None:
    """Announce the project with this time zone."""
    moved = ProjectUpdated(project_id=driver.project, name="P", timezone=timezone)
    await driver.settled(await announce(driver.client, driver.project, moved, version=2))


def reached(sandbox: Sandbox, driver: DeliveryDriver) -> set[str]:
    return {mail["to"][0] for mail in sandbox.of_project(driver.project)}


@pytest.mark.serial
async def test_a_campaign_keeps_to_its_rate_and_reaches_everyone_once(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    people = await driver.contacts(12)
    campaign_id = await driver.start_campaign(send_rate=4 * 3600)
    for number in range(2):
        await driver.page(campaign_id, people[number * 6 : number * 6 + 6], number + 1)
    await driver.reach_states({"sent": 12})
    assert reached(sandbox, driver) == {address(person) for person in people}
    times = [row["claimed_at"] for row in await driver.runtime.pool.fetch(CLAIMED, driver.project)]
    for first in times:
        within = [time for time in times if first <= time < first + timedelta(seconds=1)]
        assert len(within) <= 4 + 4 + 1  # the rate, the burst, and the mail that is due next
    assert times[-1] - times[0] > timedelta(seconds=1)


@pytest.mark.serial
async def test_two_replicas_together_keep_to_the_rate(
    driver: DeliveryDriver, config: Settings, sandbox: Sandbox
) -> None:
    people = await driver.contacts(8)
    async with running(build(config), config):
        campaign_id = await driver.start_campaign(send_rate=2 * 3600)
        await driver.page(campaign_id, people)
        await driver.reach_states({"sent": 8})
    assert len(sandbox.of_project(driver.project)) == 8
    times = [row["claimed_at"] for row in await driver.runtime.pool.fetch(CLAIMED, driver.project)]
    assert times[-1] - times[0] > timedelta(seconds=2)


async def test_progress_shows_that_mails_wait_for_the_rate(driver: DeliveryDriver) -> None:
    campaign_id = await driver.start_campaign(send_rate=60)
    await driver.page(campaign_id, await driver.contacts(6))
    await wait_for_waiting(driver, "SEND_RATE", 5)
    await driver.reach_states({"sent": 1, "queued": 5})
    shown = await state(driver, campaign_id, 5)
    assert (shown.waiting_for, shown.detail) == ("SEND_RATE", None)
    assert shown.until and datetime.fromisoformat(shown.until) < now() + timedelta(minutes=1, seconds=1)
    assert shown.eta_seconds and 4 * 60 <= shown.eta_seconds <= 6 * 60


async def test_a_mail_is_sent_while_the_window_is_open_in_its_recipients_zone(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    await settle_in(driver, ON_THE_OTHER_SIDE)
    (here,) = await driver.contacts(1, data={"timezone": "Etc/UTC"})
    (there,) = await driver.contacts(1, data={"timezone": ON_THE_OTHER_SIDE})
    lost, unknown = await driver.contacts(1, data={"timezone": "Mars/Olympus"}), await driver.contacts(1)
    campaign_id = await driver.start_campaign(send_window=around_now())
    await driver.page(campaign_id, [here, there, *lost, *unknown])
    await driver.reach_states({"sent": 1, "queued": 3})
    await wait_for_waiting(driver, "SEND_WINDOW", 3)
    assert reached(sandbox, driver) == {address(here)}
    shown = await state(driver, campaign_id, 3)
    assert shown.waiting_for == "SEND_WINDOW"
    assert shown.until and timedelta(hours=9) < datetime.fromisoformat(shown.until) - now() < timedelta(hours=11)
    assert shown.eta_seconds and shown.eta_seconds > 9 * 3600


async def test_a_window_may_use_the_projects_zone_for_everyone(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    await settle_in(driver, "Etc/UTC")
    people = await driver.contacts(2, data={"timezone": ON_THE_OTHER_SIDE})
    campaign_id = await driver.start_campaign(send_window=around_now(timezone="PROJECT"))
    await driver.page(campaign_id, people)
    await driver.reach_states({"sent": 2})
    assert len(sandbox.of_project(driver.project)) == 2


async def test_a_contact_who_unsubscribes_while_the_window_is_closed_gets_no_mail(
    driver: DeliveryDriver, sandbox: Sandbox
) -> None:
    stays, goes = await driver.contacts(2)
    campaign_id = await driver.start_campaign(send_window=later())
    await driver.page(campaign_id, [stays, goes])
    await wait_for_waiting(driver, "SEND_WINDOW", 2)
    await driver.unsubscribe(goes)
    await open_window(driver)
    await driver.reach_states({"sent": 1, "suppressed": 1})
    assert reached(sandbox, driver) == {address(stays)}


async def test_a_waiting_campaign_can_be_cancelled(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    campaign_id = await driver.start_campaign(send_window=later())
    await driver.page(campaign_id, await driver.contacts(3))
    await wait_for_waiting(driver, "SEND_WINDOW", 3)
    await tell_of(driver, CampaignCancelled(campaign_id=campaign_id), 3)
    await driver.reach_states({"cancelled": 3})
    assert sandbox.of_project(driver.project) == []


async def test_a_pause_neither_adds_nor_removes_turns(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    campaign_id = await driver.start_campaign(send_rate=60)
    await driver.page(campaign_id, await driver.contacts(20))
    await driver.reach_states({"sent": 1, "queued": 19})
    await wait_for_waiting(driver, "SEND_RATE", 19)
    await tell_of(driver, CampaignPaused(campaign_id=campaign_id), 3)
    await parked(driver, 19)
    assert (await state(driver, campaign_id, 19)).waiting_for == "PAUSED"
    await tell_of(driver, CampaignResumed(campaign_id=campaign_id), 4)
    await wait_for_waiting(driver, "SEND_RATE", 19)
    assert len(sandbox.of_project(driver.project)) == 1
    ahead = await driver.runtime.pool.fetchval(AHEAD, driver.project)
    assert ahead <= timedelta(minutes=20)


async def test_a_mail_that_ses_did_not_accept_keeps_its_turn(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    sandbox.plant(driver.project, "throttle", count=1)
    campaign_id = await driver.start_campaign(send_rate=60)
    await driver.page(campaign_id, await driver.contacts(3))
    await driver.reach_states({"sent": 1, "queued": 2})
    await wait_for_waiting(driver, "SEND_RATE", 2)
    assert len(sandbox.of_project(driver.project)) == 1


async def test_mails_that_are_all_due_at_once_keep_to_the_rate(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    """This happens after delivery was down for a while."""
    campaign_id = await driver.start_campaign(send_rate=60)
    await driver.page(campaign_id, await driver.contacts(50))
    await driver.reach_states({"sent": 1, "queued": 49})
    await wait_for_waiting(driver, "SEND_RATE", 49)
    await driver.runtime.pool.execute(DUE, driver.project)
    await wait_for_waiting(driver, "SEND_RATE", 49)
    assert len(sandbox.of_project(driver.project)) == 1


async def test_a_waiting_campaign_does_not_delay_another(driver: DeliveryDriver, sandbox: Sandbox) -> None:
    slow = await driver.start_campaign(send_window=later())
    await driver.page(slow, await driver.contacts(300))
    quick = await driver.campaign(await driver.contacts(5))
    await driver.reach_states({"sent": 5, "queued": 300})
    assert (await driver.ledger(quick)).sent == 5


async def open_window(driver: DeliveryDriver) -> None:
    await driver.runtime.pool.execute(OPEN, driver.project)
    await driver.runtime.pool.execute(DUE, driver.project)


def test_the_windows_of_these_tests_are_open_or_closed_as_named() -> None:
    clock = datetime.now(UTC).strftime("%H:%M")
    window = around_now()
    crosses = window.start > window.end
    assert (window.start <= clock < window.end) is not crosses
