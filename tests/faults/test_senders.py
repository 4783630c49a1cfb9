"""Senders that fail, and whose peers fail, at critical moments: every recipient gets exactly one mail."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from deploy.services import SERVICES
from libs.runtime.process.testing import eventually
from tests.faults.invariants import busiest_second, check
from tests.faults.load import Load
from tests.faults.quiet import quiet
from tests.faults.rig import SENDERS, Rig

pytestmark = pytest.mark.slow

STATES = "select state, count(*) as mails from delivery.email where campaign_id = $1 group by state"
EVENTS = """
select events.type, events.data from delivery.events
join delivery.email on events.stream = 'email-' || email.id
where email.campaign_id = $1 or email.id = $1
order by events.position
"""
GRACE = 5.0


async def events_of(rig: Rig, campaign_or_mail: UUID) -> list[tuple[str, Any]]:
    async with rig.database() as conn:
        return [(row["type"], row["data"]) for row in await conn.fetch(EVENTS, campaign_or_mail)]


async def states(rig: Rig, campaign: UUID) -> dict[str, int]:
    async with rig.database() as conn:
        return {row["state"]: row["mails"] for row in await conn.fetch(STATES, campaign)}


async def until(rig: Rig, campaign: UUID, state: str, count: int, within: float = 60.0) -> None:
    async def reached() -> bool:
        return (await states(rig, campaign)).get(state, 0) >= count

    await eventually(reached, within, every=0.2)


async def test_a_sender_killed_right_after_ses_accepted_leaves_one_mail_resolved_by_its_notification(
    rig: Rig, load: Load
) -> None:
    armed = {sender: await rig.restart_armed(sender, "after_ses_accept") for sender in SENDERS}
    mail = await load.send_mail()
    await quiet(rig)
    assert [sender for sender, life in armed.items() if rig.pid_of(sender) != life]
    accepted = await rig.api.sandbox_get("/sandbox/messages", emailId=str(mail), fields="id,to")
    assert len(accepted["messages"]) == 1
    events = await events_of(rig, mail)
    assert [kind for kind, _ in events] == ["email.queued", "email.sent"]
    assert '"resolved": true' in events[-1][1]  # by its notification: the process that got SES's response is dead


async def test_nothing_is_resent_while_notifications_are_missing_and_everything_drains_afterwards(
    rig: Rig, load: Load
) -> None:
    await load.add_contacts(40)
    await rig.notify("paused")
    await rig.plant("reset_after_accept", rate=0.5)
    campaign = UUID(await load.send_campaign())
    await until(rig, campaign, "unknown", 5)
    await rig.clear()
    rig.kill("delivery-1")
    await asyncio.sleep(3 * GRACE)
    assert "email.requeued" not in [kind for kind, _ in await events_of(rig, campaign)]
    assert (await states(rig, campaign))["unknown"] >= 5
    await rig.notify("on")
    await load.until_sent(str(campaign))
    await quiet(rig)
    found = await check(rig, load.promised)
    assert (found.broken, found.twice) == ([], 0)


async def test_a_leader_resumed_after_a_long_pause_does_not_repeat_what_another_took_over(rig: Rig, load: Load) -> None:
    """The pause exceeds a third of the lease, and the silence after which a relay is replaced."""
    await load.add_contacts(80)
    await rig.allow(20)
    leader = await rig.leader_of(SENDERS)
    campaign = UUID(await load.send_campaign())
    await until(rig, campaign, "sent", 5)
    pid = rig.pause(leader)
    assert pid
    other = next(sender for sender in SENDERS if sender != leader)

    async def taken_over() -> bool:
        return await rig.leads(other)

    await eventually(taken_over, within=45, every=0.3)
    await rig.allow(1000)
    await until(rig, campaign, "sent", 60)
    rig.resume(pid)
    await load.until_sent(str(campaign))
    await quiet(rig)
    found = await check(rig, load.promised)
    assert (found.broken, found.twice, found.missing) == ([], 0, 0)


POINTS = {
    "contacts-1": "before_commit:3",
    "contacts-2": "after_commit_before_reply:2",
    "campaigns-1": "after_effects_before_ack",
    "feedback-1": "after_publish_before_mark",
    "workflows-1": "after_effects_before_ack",
    "delivery-1": "after_claim_commit:3",
    "delivery-2": "after_ses_accept:3",
}
"""Together they cover every crash point: before and after a commit, a reply, an acknowledgement, a publication, a claim
and a call."""


async def test_processes_killed_between_any_two_steps_do_each_step_once(rig: Rig, load: Load) -> None:
    lives = await asyncio.gather(*(rig.restart_armed(process, point) for process, point in POINTS.items()))
    await load.add_contacts(40)
    campaign = await load.send_campaign()
    for _ in range(3):
        await load.send_mail()
    stats = await load.until_sent(campaign, within=240)
    assert stats["totalRecipients"] == 40
    armed = dict(zip(POINTS, lives, strict=True))
    async with asyncio.timeout(
        180
    ):  # which replica gets what is random: add work until each has reached its crash point
        while any(rig.pid_of(process) == life for process, life in armed.items()):
            await load.add_contacts(5)
            await load.send_mail()
    await quiet(rig)
    found = await check(rig, load.promised)
    assert (found.broken, found.twice, found.missing) == ([], 0, 0)


async def test_a_lost_stream_is_recreated_and_refilled_by_the_operators_commands(rig: Rig, load: Load) -> None:
    await load.add_contacts(20)
    await load.until_sent(await load.send_campaign())
    await rig.lose_stream("EVENTS")
    await load.send_mail()
    await rig.operate("migrate")
    for service in SERVICES:
        await rig.operate("replay", service)
    await load.until_sent(await load.send_campaign())
    await quiet(rig)
    found = await check(rig, load.promised)
    assert (found.broken, found.twice, found.missing) == ([], 0, 0)


@pytest.mark.serial
async def test_senders_killed_repeatedly_never_exceed_the_rate(rig: Rig, load: Load) -> None:
    limit = 20
    await load.add_contacts(120)
    await rig.allow(limit)
    campaign = UUID(await load.send_campaign())
    for kill, sender in enumerate((*SENDERS, *SENDERS), start=1):
        await until(rig, campaign, "sent", 20 * kill)
        rig.kill(sender)
    await until(rig, campaign, "sent", 110)
    answer = await rig.api.sandbox_get("/sandbox/messages", limit=100_000, fields="acceptedAt,tags")
    mails = [mail for mail in answer["messages"] if mail["tags"].get("godwit_campaign") == str(campaign)]
    assert busiest_second(mails) <= limit
    await rig.allow(1000)
    await load.until_sent(str(campaign))
    await quiet(rig)
    found = await check(rig, load.promised)
    assert (found.broken, found.twice, found.missing) == ([], 0, 0)
