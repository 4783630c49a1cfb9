"""SIGKILL of one process in the middle of a campaign: it is restarted at once, and both ledgers agree."""

import asyncio
import os
import signal

import pytest

from deploy.demo.api import Api
from deploy.demo.proof import prove
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.e2e.story import make_campaign, make_contacts, until_sent

RECIPIENTS = 150

VICTIMS = ("delivery-1", "delivery-2", "contacts-1", "campaigns-1", "feedback-1", "workflows-1", "gateway-1", "nats-1")


@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_killed_process_is_restarted_and_everyone_gets_one_mail(
    api: Api, target: Target, plan: str, victim: str
) -> None:
    await make_contacts(api, plan, RECIPIENTS)
    campaign = await make_campaign(api, plan)
    await api.set_account(maxSendRate=60)
    try:
        await api.post(f"/campaigns/{campaign['id']}/send", {})
        await asyncio.sleep(1)
        await kill(target, victim)
        stats = await until_sent(api, campaign, within=90)
    finally:
        await api.set_account(maxSendRate=1000)
    assert stats["totalRecipients"] == RECIPIENTS
    proof = await prove(api, campaign, RECIPIENTS)
    assert proof.holds, proof


async def kill(target: Target, victim: str) -> None:
    """Kill a process, and wait until the supervisor has replaced it."""
    pid = target.pid_of(victim)
    os.kill(pid, signal.SIGKILL)

    async def replaced() -> bool:
        try:
            return target.pid_of(victim) != pid
        except FileNotFoundError:
            return False

    await eventually(replaced)
    await eventually(lambda: answers(target))


async def answers(target: Target) -> bool:
    """Return whether the gateway accepts connections (it may be the process that was killed)."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", int(target.endpoints.url.rpartition(":")[2]))
    except OSError:
        return False
    writer.close()
    return True
