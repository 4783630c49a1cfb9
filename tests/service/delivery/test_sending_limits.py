"""A project's own sending limits: they hold for it and for nobody else, and say so."""

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
from tests.service.delivery.driver import Office, content
from tests.service.delivery.sandbox import Sandbox
from tests.service.delivery.test_crashes import busiest_second

LINES = "select distinct line from email where project = $1 and state = 'queued'"
HALF_A_SECOND_MORE = 1.5
"""A second's worth, and what may go out at once."""


async def limit(office: Office, per_second: float | None = None, **domains: float) -> SendingLimits:
    named = {name.replace("_", "."): rate for name, rate in domains.items()}
    command = SetSendingLimits(project_id=office.project, per_second=per_second, domains=named)
    return await tell(office.client, office.project, command, SendingLimits)


async def waits_for(office: Office, campaign: UUID) -> tuple[str | None, str | None]:
    state = await ask(office.client, office.project, GetSendingState(campaign_id=campaign), SendingState)
    return state.waiting_for, state.detail


def times(sandbox: Sandbox, project: UUID) -> Sequence[float]:
    return sorted(datetime.fromisoformat(m["acceptedAt"]).timestamp() for m in sandbox.of_project(project))


@pytest.mark.serial
async def test_a_limited_project_is_slower_on_all_replicas_together_and_others_are_not(
    office: Office, config: Settings, sandbox: Sandbox
) -> None:
    other = Office(office.runtime, uuid7())
    await limit(office, per_second=5)
    people, others = await office.contacts(20), await other.contacts(60)
    async with running(build(config), config):
        campaign = await office.campaign(people)
        await office.become_busy()
        assert await waits_for(office, campaign) == ("PROJECT_LIMIT", None)
        await other.campaign(others)
        await other.become({"sent": 60})
        assert (await office.states()).get("queued", 0) > 0
        await office.become({"sent": 20})
    took = times(sandbox, office.project)
    assert took[-1] - took[0] >= (20 - 5 * HALF_A_SECOND_MORE) / 5
    assert busiest_second(took) <= 5 * HALF_A_SECOND_MORE + 2  # claims run ahead of calls by a moment


async def test_who_wait_for_a_limited_domain_hold_up_nobody_behind_them(office: Office) -> None:
    await limit(office, slow_example=0.1)
    await office.verify_domain()
    for _ in range(5):
        await office.send(recipient=f"{uuid7().hex}@Slow.Example")
    await office.become({"sent": 1, "queued": 4})
    for _ in range(5):
        await office.send()
    await office.become({"sent": 6, "queued": 4})


async def test_limits_hold_for_mails_that_wait_already_and_their_end_lets_them_go(office: Office) -> None:
    campaign = uuid7()
    await office.page(campaign, await office.contacts(6))  # they wait for the content
    await office.become({"queued": 6})
    await limit(office, example_net=0.1)

    async def in_line() -> bool:
        rows = await office.runtime.pool.fetch(LINES, office.project)
        return [row["line"] for row in rows] == ["example.net"]

    await eventually(in_line)
    await office.begin_sending(campaign)
    await office.become({"sent": 1, "queued": 5})
    assert await waits_for(office, campaign) == ("DOMAIN_LIMIT", "example.net")
    await limit(office)
    await office.become({"sent": 6})
    assert await ask(office.client, office.project, GetSendingLimits(), SendingLimits) == SendingLimits()


async def test_within_its_limit_a_project_sends_transactional_mail_first(office: Office) -> None:
    await limit(office, per_second=1)
    await office.campaign(await office.contacts(12))
    await office.become_busy()
    urgent = await office.send(content=content("TRANSACTIONAL"))

    async def sent() -> bool:
        return (await office.email(urgent.email)).state == "sent"

    await eventually(sent)
    assert (await office.states())["queued"] > 0
    await limit(office)
    await office.become({"sent": 13})
