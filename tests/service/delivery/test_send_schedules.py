"""Campaigns with a send rate, or with hours in which they may be sent."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from libs.runtime.clock import now
from libs.runtime.messaging.bus import ask
from libs.runtime.process.settings import Settings
from libs.runtime.process.testing import announce, eventually, running
from libs.schemas.campaigns.campaigns import (
    CampaignCancelled,
    CampaignPaused,
    CampaignResumed,
    SendWindow,
)
from libs.schemas.delivery.sending import GetSendingState, SendingState
from libs.schemas.gateway import ProjectUpdated
from services.delivery.app import build
from tests.service.delivery.driver import Office, address
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
    """From so long before until so long after now, by UTC's clock."""
    start, end = (now() - opens).strftime("%H:%M"), (now() + closes).strftime("%H:%M")
    return SendWindow(start=start, end=end, **fields)  # type: ignore[arg-type]


def around_now(**fields: object) -> SendWindow:
    return hours(timedelta(hours=2), timedelta(hours=2), **fields)


def later() -> SendWindow:
    return hours(-timedelta(hours=6), timedelta(hours=10))


async def waiting(office: Office, reason: str, count: int) -> None:
    async def are_waiting() -> bool:
        return bool(await office.runtime.pool.fetchval(WAITING, office.project, reason) == count)

    await eventually(are_waiting)


async def state(office: Office, campaign_id: UUID, queued: int) -> SendingState:
    query = GetSendingState(campaign_id=campaign_id, queued=queued)
    return await ask(office.client, office.project, query, SendingState)


async def settle_in(office: Office, timezone: str) -> None:
    """The project is there."""
    moved = ProjectUpdated(project_id=office.project, name="P", timezone=timezone)
    await office.settled(await announce(office.client, office.project, moved, version=2))


def reached(sandbox: Sandbox, office: Office) -> set[str]:
    return {mail["to"][0] for mail in sandbox.of_project(office.project)}


@pytest.mark.serial
async def test_a_campaign_with_a_rate_keeps_to_it_and_reaches_everyone_once(office: Office, sandbox: Sandbox) -> None:
    people = await office.contacts(12)
    campaign_id = await office.start_campaign(send_rate=4 * 3600)
    for number in range(2):
        await office.page(campaign_id, people[number * 6 : number * 6 + 6], number + 1)
    await office.become({"sent": 12})
    assert reached(sandbox, office) == {address(person) for person in people}
    times = [row["claimed_at"] for row in await office.runtime.pool.fetch(CLAIMED, office.project)]
    for first in times:
        within = [time for time in times if first <= time < first + timedelta(seconds=1)]
        assert len(within) <= 4 + 4 + 1  # its rate, what it may make up for, and the one that is on its way
    assert times[-1] - times[0] > timedelta(seconds=1)


@pytest.mark.serial
async def test_two_replicas_together_keep_to_the_rate(office: Office, config: Settings, sandbox: Sandbox) -> None:
    people = await office.contacts(8)
    async with running(build(config), config):
        campaign_id = await office.start_campaign(send_rate=2 * 3600)
        await office.page(campaign_id, people)
        await office.become({"sent": 8})
    assert len(sandbox.of_project(office.project)) == 8
    times = [row["claimed_at"] for row in await office.runtime.pool.fetch(CLAIMED, office.project)]
    assert times[-1] - times[0] > timedelta(seconds=2)


async def test_mails_wait_for_their_turn_and_progress_says_so(office: Office) -> None:
    campaign_id = await office.start_campaign(send_rate=60)
    await office.page(campaign_id, await office.contacts(6))
    await waiting(office, "SEND_RATE", 5)
    await office.become({"sent": 1, "queued": 5})
    told = await state(office, campaign_id, 5)
    assert (told.waiting_for, told.detail) == ("SEND_RATE", None)
    assert told.until and datetime.fromisoformat(told.until) < now() + timedelta(minutes=1, seconds=1)
    assert told.eta_seconds and 4 * 60 <= told.eta_seconds <= 6 * 60


async def test_a_mail_goes_out_while_the_window_is_open_where_its_reader_is(office: Office, sandbox: Sandbox) -> None:
    await settle_in(office, ON_THE_OTHER_SIDE)
    (here,) = await office.contacts(1, data={"timezone": "Etc/UTC"})
    (there,) = await office.contacts(1, data={"timezone": ON_THE_OTHER_SIDE})
    lost, unknown = await office.contacts(1, data={"timezone": "Mars/Olympus"}), await office.contacts(1)
    campaign_id = await office.start_campaign(send_window=around_now())
    await office.page(campaign_id, [here, there, *lost, *unknown])
    await office.become({"sent": 1, "queued": 3})
    await waiting(office, "SEND_WINDOW", 3)
    assert reached(sandbox, office) == {address(here)}
    told = await state(office, campaign_id, 3)
    assert told.waiting_for == "SEND_WINDOW"
    assert told.until and timedelta(hours=9) < datetime.fromisoformat(told.until) - now() < timedelta(hours=11)
    assert told.eta_seconds and told.eta_seconds > 9 * 3600


async def test_a_window_may_go_by_the_projects_clock_for_everyone(office: Office, sandbox: Sandbox) -> None:
    await settle_in(office, "Etc/UTC")
    people = await office.contacts(2, data={"timezone": ON_THE_OTHER_SIDE})
    campaign_id = await office.start_campaign(send_window=around_now(timezone="PROJECT"))
    await office.page(campaign_id, people)
    await office.become({"sent": 2})
    assert len(sandbox.of_project(office.project)) == 2


async def test_who_unsubscribes_while_the_window_is_closed_is_not_mailed_when_it_opens(
    office: Office, sandbox: Sandbox
) -> None:
    stays, goes = await office.contacts(2)
    campaign_id = await office.start_campaign(send_window=later())
    await office.page(campaign_id, [stays, goes])
    await waiting(office, "SEND_WINDOW", 2)
    await office.unsubscribe(goes)
    await open_window(office)
    await office.become({"sent": 1, "suppressed": 1})
    assert reached(sandbox, office) == {address(stays)}


async def test_a_campaign_that_waits_can_be_cancelled(office: Office, sandbox: Sandbox) -> None:
    campaign_id = await office.start_campaign(send_window=later())
    await office.page(campaign_id, await office.contacts(3))
    await waiting(office, "SEND_WINDOW", 3)
    await tell_of(office, CampaignCancelled(campaign_id=campaign_id), 3)
    await office.become({"cancelled": 3})
    assert sandbox.of_project(office.project) == []


async def test_a_pause_takes_nobodys_turn_away_and_gives_none(office: Office, sandbox: Sandbox) -> None:
    campaign_id = await office.start_campaign(send_rate=60)
    await office.page(campaign_id, await office.contacts(20))
    await office.become({"sent": 1, "queued": 19})
    await waiting(office, "SEND_RATE", 19)
    await tell_of(office, CampaignPaused(campaign_id=campaign_id), 3)
    await parked(office, 19)
    assert (await state(office, campaign_id, 19)).waiting_for == "PAUSED"
    await tell_of(office, CampaignResumed(campaign_id=campaign_id), 4)
    await waiting(office, "SEND_RATE", 19)
    assert len(sandbox.of_project(office.project)) == 1
    ahead = await office.runtime.pool.fetchval(AHEAD, office.project)
    assert ahead <= timedelta(minutes=20)


async def test_a_mail_that_ses_did_not_take_keeps_its_turn(office: Office, sandbox: Sandbox) -> None:
    sandbox.plant(office.project, "throttle", count=1)
    campaign_id = await office.start_campaign(send_rate=60)
    await office.page(campaign_id, await office.contacts(3))
    await office.become({"sent": 1, "queued": 2})
    await waiting(office, "SEND_RATE", 2)
    assert len(sandbox.of_project(office.project)) == 1


async def test_mails_that_all_come_due_at_once_still_keep_to_the_rate(office: Office, sandbox: Sandbox) -> None:
    """As after delivery has not run for a while."""
    campaign_id = await office.start_campaign(send_rate=60)
    await office.page(campaign_id, await office.contacts(50))
    await office.become({"sent": 1, "queued": 49})
    await waiting(office, "SEND_RATE", 49)
    await office.runtime.pool.execute(DUE, office.project)
    await waiting(office, "SEND_RATE", 49)
    assert len(sandbox.of_project(office.project)) == 1


async def test_another_campaign_does_not_wait_for_one_that_waits(office: Office, sandbox: Sandbox) -> None:
    slow = await office.start_campaign(send_window=later())
    await office.page(slow, await office.contacts(300))
    quick = await office.campaign(await office.contacts(5))
    await office.become({"sent": 5, "queued": 300})
    assert (await office.ledger(quick)).sent == 5


async def open_window(office: Office) -> None:
    await office.runtime.pool.execute(OPEN, office.project)
    await office.runtime.pool.execute(DUE, office.project)


def test_the_tests_windows_are_what_they_say() -> None:
    clock = datetime.now(UTC).strftime("%H:%M")
    window = around_now()
    crosses = window.start > window.end
    assert (window.start <= clock < window.end) is not crosses
