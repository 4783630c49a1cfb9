"""Errors of campaigns and templates over HTTP: every route and every code."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.demo.api import Api
from deploy.demo.target import Target
from services.gateway.app import openapi_schema
from tests.e2e.story import SENDER, make_campaign, until_sent
from tests.e2e.test_campaign_life import TOMORROW, call, code

BODIES: dict[str, dict[str, Any]] = {
    "PUT /campaigns/{campaign_id}": {"name": "x"},
    "PATCH /campaigns/{campaign_id}": {"name": "x"},
    "POST /campaigns/{campaign_id}/schedule": {"scheduledFor": TOMORROW},
    "POST /campaigns/{campaign_id}/test": {"email": "me@example.org"},
    "PATCH /templates/{template_id}": {"name": "x"},
}
PATHS = ("/campaigns/{campaign_id}", "/templates/{template_id}")
REFUSALS = ("CAMPAIGN_NOT_FOUND", "TEMPLATE_NOT_FOUND")


def routes(start: str) -> list[tuple[str, str]]:
    """Yield the documented calls on one campaign or one template."""
    paths = openapi_schema()["paths"]
    return [(method.upper(), path) for path, calls in paths.items() if path.startswith(start) for method in calls]


@pytest.mark.parametrize(("start", "refusal"), list(zip(PATHS, REFUSALS, strict=True)))
async def test_every_route_returns_not_found_for_an_unknown_id(target: Target, start: str, refusal: str) -> None:
    found = routes(start)
    assert len(found) >= 8
    headers = {"Authorization": f"Bearer {target.secret_key}"}
    name = start.rsplit("/", 1)[1]
    told: dict[str, tuple[int, str]] = {}
    async with httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, timeout=30) as client:
        for method, path in found:
            for identity in (str(uuid4()), "nonsense"):
                url = path.replace(name, identity).replace("{version}", "1")
                body = None if method in ("GET", "DELETE") else BODIES.get(f"{method} {path}", {})
                answer = await client.request(method, url, json=body)
                told[f"{method} {url}"] = answer.status_code, answer.json()["error"]["code"]
    assert {call: answer for call, answer in told.items() if answer != (404, refusal)} == {}


async def test_a_draft_cannot_be_cancelled_paused_resumed_or_resent(api: Api) -> None:
    campaign = await api.post("/campaigns", {"name": "Draft"})
    refusals = {
        "cancel": "CAMPAIGN_NOT_CANCELABLE",
        "pause": "CAMPAIGN_NOT_PAUSABLE",
        "resume": "CAMPAIGN_NOT_RESUMABLE",
        "unschedule": "CAMPAIGN_NOT_UNSCHEDULABLE",
        "resend": "CAMPAIGN_NOT_RESENDABLE",
    }
    told = {action: await code(api, "POST", f"/campaigns/{campaign['id']}/{action}") for action in refusals}
    assert told == {action: (409, refusal) for action, refusal in refusals.items()}


async def test_a_campaign_that_reached_nobody_cannot_be_resent(api: Api, plan: str) -> None:
    campaign = await make_campaign(api, plan)
    path = f"/campaigns/{campaign['id']}"
    await api.post(f"{path}/send", {})
    await until_sent(api, campaign)
    assert await code(api, "POST", f"{path}/resend") == (409, "NO_RECIPIENTS")
    assert await code(api, "POST", f"{path}/send") == (409, "CAMPAIGN_NOT_SENDABLE")
    assert await code(api, "POST", f"{path}/schedule", {"scheduledFor": TOMORROW}) == (409, "CAMPAIGN_NOT_SENDABLE")
    assert await code(api, "PUT", path, {"name": "x"}) == (409, "CAMPAIGN_NOT_EDITABLE")
    status, gone = await call(api, "DELETE", path)
    assert (status, gone["success"]) == (200, True)


async def test_a_sender_of_a_foreign_domain_is_rejected(api: Api) -> None:
    foreign = {"name": "x", "subject": "x", "body": "x", "from": "me@elsewhere.example"}
    for path in ("/campaigns", "/templates"):
        assert await code(api, "POST", path, foreign) == (403, "DOMAIN_NOT_VERIFIED")
    campaign = await api.post("/campaigns", {"name": "x", **SENDER})
    changes = {"from": "me@elsewhere.example"}
    assert await code(api, "PATCH", f"/campaigns/{campaign['id']}", changes) == (403, "DOMAIN_NOT_VERIFIED")


async def test_an_unknown_version_of_a_template_cannot_be_restored(api: Api) -> None:
    template = await api.post("/templates", {"name": "x", "subject": "x", "body": "x", **SENDER})
    path = f"/templates/{template['id']}/versions"
    assert await code(api, "POST", f"{path}/7/restore") == (404, "TEMPLATE_VERSION_NOT_FOUND")


async def test_campaigns_are_listed_in_pages_and_filtered_by_status_and_name(api: Api, plan: str) -> None:
    made = [await api.post("/campaigns", {"name": f"{plan} {number}"}) for number in range(3)]
    first = await api.get("/campaigns", search=plan.upper(), pageSize=2)
    second = await api.get("/campaigns", search=plan, pageSize=2, page=2)
    assert (first["total"], first["totalPages"], first["page"], first["pageSize"]) == (3, 2, 1, 2)
    assert [each["id"] for each in first["data"] + second["data"]] == [each["id"] for each in reversed(made)]
    assert (await api.get("/campaigns", search=plan, status="SENT"))["data"] == []
    for wrong in ("status=LOST", "page=0", "pageSize=0", "page=x"):
        assert await code(api, "GET", f"/campaigns?{wrong}") == (422, "VALIDATION_ERROR")
