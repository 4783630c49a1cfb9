"""`godwit audit` compares every figure with a recount while the system runs."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from deploy.demo.api import Api
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.e2e.conftest import godwit
from tests.e2e.story import SENDER, make_campaign, make_contacts, until_sent

COUNT_ANOTHER = "update campaigns.campaign_run set sent = sent + $2 where campaign_id = $1"


async def audit(target: Target, *options: str) -> tuple[int, str]:
    """Run the audit, and return its exit code and output."""
    done = await asyncio.to_thread(godwit, target, "audit", *options)
    return done.returncode, done.stdout + done.stderr


async def counted(target: Target) -> tuple[int, dict[str, tuple[int, int]], list[dict[str, Any]]]:
    """Run the audit, and return its exit code, (recounted, shown) per figure summed over all projects, and the lag."""
    code, said = await audit(target, "--json")
    found = json.loads(said)
    figures: dict[str, tuple[int, int]] = {}
    for each in found["figures"]:
        before = figures.get(each["figure"], (0, 0))
        figures[each["figure"]] = before[0] + each["counted"], before[1] + each["shown"]
    return code, figures, found["lag"]


@asynccontextmanager
async def broken(target: Target, campaign: str) -> AsyncIterator[None]:
    """Make one counter of one campaign wrong."""
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    try:
        await conn.execute(COUNT_ANOTHER, campaign, 1)
        yield
        await conn.execute(COUNT_ANOTHER, campaign, -1)
    finally:
        await conn.close()


async def test_it_passes_while_a_campaign_is_being_sent(api: Api, target: Target, plan: str) -> None:
    addresses = await make_contacts(api, plan, 300)
    campaign = await make_campaign(api, plan)
    await api.post(f"/campaigns/{campaign['id']}/send", {})
    sending = asyncio.create_task(until_sent(api, campaign))
    while not sending.done():
        code, said = await audit(target)
        assert code == 0, said
    await sending
    _, figures, _ = await counted(target)
    assert figures["mails in all"][0] >= len(addresses)
    assert figures["campaigns: sent"] == figures["mails of campaigns sent"]


async def test_a_wrong_counter_is_reported_with_its_project(api: Api, target: Target, plan: str) -> None:
    await make_contacts(api, plan, 2)
    campaign = await make_campaign(api, plan)
    await api.post(f"/campaigns/{campaign['id']}/send", {})
    await until_sent(api, campaign)
    project = (await api.get("/users/@me/projects"))[0]["id"]
    async with broken(target, campaign["id"]):
        code, said = await audit(target, "--project", project)
    assert code == 1
    assert "DIFFERS: campaigns, campaigns: sent: " in said and campaign["id"] in said


async def test_events_a_stopped_service_has_not_handled_are_lag_and_not_a_difference(
    api: Api, target: Target, plan: str
) -> None:
    [address] = await make_contacts(api, plan, 1)
    stopped = target.pid_of("campaigns-1")
    os.kill(stopped, signal.SIGSTOP)
    try:
        await api.post("/v1/send", {"to": address, "subject": "Hi", "body": "<p>Hi</p>", **SENDER})

        async def behind() -> bool:
            code, _, lag = await counted(target)
            assert code == 0
            return any((each["source"], each["service"]) == ("delivery", "campaigns") for each in lag)

        assert await eventually(behind)
    finally:
        os.kill(stopped, signal.SIGCONT)


async def test_tables_that_are_being_rebuilt_are_not_counted(target: Target) -> None:
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    try:
        await conn.execute("select pg_advisory_lock(hashtext('godwit.rebuild'))")
        code, said = await audit(target)
    finally:
        await conn.close()
    assert code == 1 and "being rebuilt" in said
