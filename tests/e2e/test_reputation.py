"""Pausing and resuming the bulk mail of a project, through the API and from a shell."""

from uuid import UUID, uuid4

import asyncpg
import pytest

from deploy.demo.api import Api, RequestFailed
from deploy.demo.target import Target
from libs.runtime.clock import uuid5
from libs.runtime.process.testing import eventually
from services.gateway.accounts.bootstrap import NAMESPACE
from tests.e2e.conftest import godwit
from tests.e2e.story import SENDER, mails_to, make_campaign, make_contacts, until_sent


async def test_a_paused_project_sends_transactional_mail_only_until_an_operator_resumes_it(
    api: Api, target: Target, plan: str
) -> None:
    project = str(uuid5(NAMESPACE, target.secret_key))
    assert (await api.get(f"/projects/{project}/security"))["isDisabled"] is False
    paused = await api.post(f"/projects/{project}/sending/pause", {"note": "checking the list"})
    try:
        assert (paused["success"], paused["data"]["standing"], paused["reason"]) == (True, "PAUSED", "MANUAL")
        await eventually(lambda: delivery_knows(target, project))
        [reader] = await make_contacts(api, plan, 1)
        campaign = await make_campaign(api, plan)
        await api.post(f"/campaigns/{campaign['id']}/send", {})
        address = f"success+{uuid4().hex}@simulator.amazonses.com"
        await api.post("/v1/send", {"to": address, "subject": "Code", "body": "<p>1234</p>", **SENDER})
        await eventually(lambda: mails_to(api, address))
        assert await mails_to(api, reader) == []
        told = godwit(target, "sending", "status", "--project", project)
        assert (told.returncode, "PAUSED (MANUAL)" in told.stdout) == (1, True)
    finally:
        told = godwit(target, "sending", "resume", "--project", project, "--note", "fine")
    assert (told.returncode, "HEALTHY" in told.stdout) == (0, True)
    await until_sent(api, campaign)
    assert len(await mails_to(api, reader)) == 1


async def delivery_knows(target: Target, project: str) -> bool:
    """Return whether delivery knows of the pause: usually at once, later if another test has just killed the bus."""
    conn = await asyncpg.connect(target.endpoints.admin_database_url)
    try:
        return bool(await conn.fetchval("select paused from delivery.paused_project where project = $1", UUID(project)))
    finally:
        await conn.close()


async def test_a_project_limits_how_fast_it_sends(api: Api, target: Target) -> None:
    path = f"/projects/{uuid5(NAMESPACE, target.secret_key)}/sending/limits"
    try:
        wanted = {"perSecond": 500, "domains": {"Slow.Example": 0.5}}
        answer = await api.send("PUT", path, wanted, {})
        assert (answer.status_code, answer.json()) == (200, {"perSecond": 500.0, "domains": {"slow.example": 0.5}})
        assert await api.get(path) == answer.json()
        for wrong, field in (
            ({"perSecond": 0}, "perSecond"),
            ({"perSecond": "fast"}, "perSecond"),
            ({"domains": {"slow.example": -1}}, "domains"),
            ({"domains": {"not a domain": 1}}, "domains.not a domain"),
        ):
            refused = await api.send("PUT", path, wrong, {})
            assert (refused.status_code, refused.json()["error"]["errors"][0]["field"][: len(field)]) == (422, field)
        assert await api.get(path) == answer.json()
    finally:
        cleared = await api.send("PUT", path, {}, {})
    assert cleared.json() == {"perSecond": None, "domains": {}}


async def test_a_project_can_only_see_and_change_its_own_sending(api: Api) -> None:
    foreign = await api.send("PUT", f"/projects/{uuid4()}/sending/limits", {"perSecond": 1}, {})
    assert (foreign.status_code, foreign.json()["error"]["message"]) == (404, "Project not found")
    for path in ("security", "sending/pause", "sending/resume"):
        with pytest.raises(RequestFailed, match="Project not found"):
            await (api.get if path == "security" else lambda where: api.post(where, {}))(f"/projects/{uuid4()}/{path}")
