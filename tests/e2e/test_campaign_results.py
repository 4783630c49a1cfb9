"""Campaigns over HTTP: live audience, test mails, progress and results."""

import csv
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from deploy.demo.api import Api
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.e2e.story import SENDER, contact_of, mails_to, make_campaign, make_contacts, until_sent
from tests.e2e.test_campaign_life import call, code, draft


async def test_the_live_audience_says_how_many_are_excluded_and_why(api: Api, plan: str) -> None:
    addresses = await make_contacts(api, plan, 4)
    gone = await contact_of(api, addresses[0])
    await api.patch(f"/contacts/{gone['id']}", {"subscribed": False})
    campaign = await make_campaign(api, plan)
    audience = await api.get(f"/campaigns/{campaign['id']}/contacts", pageSize=3)
    assert (audience["total"], audience["count"], audience["totalPages"]) == (4, 3, 2)
    rest = await api.get(f"/campaigns/{campaign['id']}/contacts", pageSize=3, page=2)
    reasons = {each["id"]: each["leftOut"] for each in audience["data"] + rest["data"]}
    assert (len(reasons), reasons.pop(gone["id"]), set(reasons.values())) == (4, "unsubscribed", {None})


async def test_an_audience_must_exist(api: Api) -> None:
    campaign = await draft(api)
    path = f"/campaigns/{campaign['id']}"
    assert await code(api, "GET", f"{path}/contacts") == (409, "CAMPAIGN_HAS_NO_AUDIENCE")
    nowhere = {"segmentId": str(uuid4())}
    assert await code(api, "PATCH", path, nowhere) == (404, "SEGMENT_NOT_FOUND")
    assert await code(api, "POST", "/campaigns", {"name": "x", **nowhere}) == (404, "SEGMENT_NOT_FOUND")
    wrong = {"logic": "AND", "groups": [{"filters": [{"field": "email", "operator": "nope"}]}]}
    status, no = await call(api, "PATCH", path, {"audienceType": "FILTERED", "audienceCondition": wrong})
    assert (status, no["error"]["errors"][0]["field"]) == (422, "condition.groups.0.filters.0.operator")


async def test_a_test_mail_goes_to_any_address_and_is_not_counted(api: Api, plan: str) -> None:
    await make_contacts(api, plan, 1)
    campaign = await make_campaign(api, plan, preheader="Soon", body="<p>Dear {{ firstName }}</p>")
    path, stranger = f"/campaigns/{campaign['id']}", f"me@{plan}.example.org"
    status, sent = await call(api, "POST", f"{path}/test", {"email": stranger})
    assert (status, sent["success"]) == (200, True)

    async def arrived() -> list[dict[str, Any]]:
        return await mails_to(api, stranger)

    [mail] = await eventually(arrived, within=30)
    assert mail["subject"].startswith("[TEST] News for")
    assert (await api.get(f"{path}/stats"))["totalRecipients"] == 0
    assert (await api.get(f"{path}/recipients"))["data"] == []
    bare = await draft(api)
    status, no = await call(api, "POST", f"/campaigns/{bare['id']}/test", {"email": stranger})
    assert (status, no["error"]["code"]) == (422, "CAMPAIGN_NOT_TESTABLE")
    assert no["error"]["details"]["missing"] == ["senderEmail", "subject", "content"]


async def test_results_add_up_and_can_be_exported(api: Api, target: Target, plan: str) -> None:
    addresses = await make_contacts(api, plan, 30)
    campaign = await make_campaign(api, plan)
    path = f"/campaigns/{campaign['id']}"
    await api.post(f"{path}/send", {})
    stats = await until_sent(api, campaign)
    first = await api.get(f"{path}/recipients", limit=20)
    second = await api.get(f"{path}/recipients", limit=20, cursor=first["cursor"])
    assert (first["total"], first["hasMore"], second["hasMore"]) == (30, True, False)
    assert {each["email"] for each in first["data"] + second["data"]} == set(addresses)
    assert sum(hour["sent"] for hour in await api.get(f"{path}/timeline")) == stats["sentCount"] == 30
    assert await api.get(f"{path}/link-clicks") == []
    assert await code(api, "GET", f"{path}/recipients?status=lost") == (422, "VALIDATION_ERROR")
    async with client_of(target) as client:
        export = await client.get(f"{path}/recipients/export")
    rows = list(csv.DictReader(StringIO(export.text)))
    assert export.headers["content-type"].startswith("text/csv")
    assert ({row["email"] for row in rows}, {row["status"] for row in rows}) == (set(addresses), {"sent"})


@pytest.fixture
async def unopened(api: Api) -> AsyncIterator[None]:
    """Let nobody open a mail: otherwise a random share does."""
    usual = await api.sandbox_get("/sandbox/behaviour")
    await api.sandbox_post("/sandbox/behaviour", {"open": 0, "click": 0})
    yield
    await api.sandbox_post("/sandbox/behaviour", {"open": usual["open"], "click": usual["click"]})


@pytest.mark.usefixtures("unopened")
async def test_a_campaign_is_resent_to_those_who_did_not_open_it(api: Api, plan: str) -> None:
    addresses = await make_contacts(api, plan, 3)
    campaign = await make_campaign(api, plan)
    assert await code(api, "POST", f"/campaigns/{campaign['id']}/resend") == (409, "CAMPAIGN_NOT_RESENDABLE")
    await api.post(f"/campaigns/{campaign['id']}/send", {})
    await until_sent(api, campaign)
    status, second = await call(api, "POST", f"/campaigns/{campaign['id']}/resend", {"subject": "Once more"})
    assert (status, second["name"], second["subject"]) == (201, f"{plan} (Resend)", "Once more")
    stats = await until_sent(api, second)
    assert stats["sentCount"] == 3
    assert [len(await mails_to(api, address)) for address in addresses] == [2, 2, 2]


async def test_progress_is_streamed_until_the_campaign_is_over(api: Api, target: Target, plan: str) -> None:
    await make_contacts(api, plan, 20)
    campaign = await make_campaign(api, plan)
    path = f"/campaigns/{campaign['id']}"
    await api.post(f"{path}/send", {})
    async with client_of(target) as client:
        streamed = await client.get(f"{path}/progress")
        now = await client.get(f"{path}/progress", headers={"Accept": "application/json"})
        unknown = await client.get(f"/campaigns/{uuid4()}/progress")
    assert streamed.headers["content-type"].startswith("text/event-stream"), streamed.text
    told = [msgspec.json.decode(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert (told[-1]["status"], told[-1]["sent"], told[-1]["queued"]) == ("SENT", 20, 0)
    assert now.json()["status"] == "SENT"
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "CAMPAIGN_NOT_FOUND")


async def test_a_template_is_previewed_as_it_is_sent(api: Api, plan: str) -> None:
    [address] = await make_contacts(api, plan, 1)
    contact = await contact_of(api, address)
    body = {"name": "P", "subject": "Hi {{ firstName }}", "body": "<p>{{ plan }} {{ nothing }}</p>", **SENDER}
    template = await api.post("/templates", body)
    shown = await api.post(f"/templates/{template['id']}/preview", {"contactId": contact["id"]})
    assert shown["subject"] == "Hi Ada"
    assert plan in shown["html"]
    assert plan in shown["text"]
    assert [(w["code"], w["variable"]) for w in shown["warnings"]] == [
        ("UNKNOWN_VARIABLE", "nothing"),
        ("NO_UNSUBSCRIBE_LINK", None),
    ]
    other = {"email": "x@example.org", "data": {"firstName": "Bob", "plan": "p", "nothing": "n"}}
    assert (await api.post(f"/templates/{template['id']}/preview", other))["subject"] == "Hi Bob"
    missing = {"contactId": str(uuid4())}
    assert await code(api, "POST", f"/templates/{template['id']}/preview", missing) == (404, "CONTACT_NOT_FOUND")


def client_of(target: Target) -> httpx.AsyncClient:
    """Return a client for responses that are not JSON."""
    headers = {"Authorization": f"Bearer {target.secret_key}"}
    return httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, timeout=60)
