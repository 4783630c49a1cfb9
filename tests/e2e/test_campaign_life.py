"""The life of campaigns and templates over HTTP: every transition, its errors and their messages."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from deploy.demo.api import Api
from deploy.demo.target import Target
from libs.kernel.instants import iso
from libs.runtime.clock import now
from libs.runtime.process.testing import eventually
from tests.e2e.story import SENDER, contact_of, mails_to, make_campaign, make_contacts, make_segment, until_sent

TOMORROW = iso(now() + timedelta(days=1))


async def call(api: Api, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Call a route, and return the status and body of any response."""
    answer = await api.send(method, path, body or {}, {})
    return answer.status_code, answer.json() if answer.content else None


async def code(api: Api, method: str, path: str, body: Any = None) -> tuple[int, str]:
    status, answer = await call(api, method, path, body)
    return status, answer["error"]["code"]


async def draft(api: Api, **fields: Any) -> dict[str, Any]:
    status, campaign = await call(api, "POST", "/campaigns", {"name": "Draft", **fields})
    assert status == 201, campaign
    return dict(campaign)


async def progress_of(target: Target, path: str) -> dict[str, Any]:
    """Return the current progress: with this header it is not streamed."""
    headers = {"Authorization": f"Bearer {target.secret_key}", "Accept": "application/json"}
    async with httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, timeout=30) as client:
        return dict((await client.get(f"{path}/progress")).json())


async def test_a_draft_is_completed_step_by_step_until_it_is_ready(api: Api, plan: str) -> None:
    campaign = await draft(api)
    path = f"/campaigns/{campaign['id']}"
    assert campaign["readiness"] == {"canSend": False, "missing": ["senderEmail", "subject", "content", "audience"]}
    assert await code(api, "POST", f"{path}/send") == (422, "CAMPAIGN_NOT_READY")
    segment = await make_segment(api, plan)
    changes = {"subject": "Hello", "content": "# Hi {{ firstName }}", "segmentId": segment["id"], **SENDER}
    status, ready = await call(api, "PATCH", path, changes)
    assert (status, ready["readiness"]) == (200, {"canSend": True, "missing": []})
    assert (ready["body"], ready["audienceType"]) == ("<h1>Hi {{ firstName }}</h1>\n", "SEGMENT")
    status, replaced = await call(api, "PUT", path, {"name": "Again", "subject": "Other"})
    assert (status, replaced["body"], replaced["content"], replaced["audienceType"]) == (200, None, None, None)


async def test_a_richer_body_is_only_overwritten_on_request(api: Api) -> None:
    campaign = await draft(api, body='<p style="color:red">Hi</p>')
    path = f"/campaigns/{campaign['id']}"
    assert (campaign["contentOverwriteRequired"], campaign["contentEditableViaApi"]) == (True, False)
    assert await code(api, "PATCH", path, {"content": "Hi"}) == (409, "CONTENT_OVERWRITE_REQUIRED")
    status, after = await call(api, "PATCH", path, {"content": "Hi", "overwrite": True})
    assert (status, after["body"], after["content"]) == (200, "<p>Hi</p>\n", "Hi")


async def test_a_campaign_is_scheduled_rescheduled_and_unscheduled(api: Api, plan: str) -> None:
    campaign = await make_campaign(api, plan)
    path = f"/campaigns/{campaign['id']}"
    assert await code(api, "POST", f"{path}/unschedule") == (409, "CAMPAIGN_NOT_UNSCHEDULABLE")
    assert await code(api, "POST", f"{path}/schedule", {"scheduledFor": "2001-01-01T00:00:00Z"}) == (
        422,
        "VALIDATION_ERROR",
    )
    assert await code(api, "POST", f"{path}/schedule", {"scheduledFor": "tomorrow"}) == (422, "VALIDATION_ERROR")
    status, scheduled = await call(api, "POST", f"{path}/send", {"scheduledFor": TOMORROW})
    assert (status, scheduled["status"], scheduled["scheduledFor"]) == (200, "SCHEDULED", TOMORROW)
    assert await code(api, "DELETE", path) == (409, "CAMPAIGN_NOT_DELETABLE")
    status, after = await call(api, "POST", f"{path}/unschedule")
    assert (status, after["status"], after["scheduledFor"]) == (200, "DRAFT", None)
    status, gone = await call(api, "DELETE", path)
    assert (status, gone["success"]) == (200, True)
    assert await code(api, "GET", path) == (404, "CAMPAIGN_NOT_FOUND")


async def test_a_campaign_outside_its_send_window_waits_says_why_and_is_copied_with_it(
    api: Api, target: Target, plan: str
) -> None:
    await make_contacts(api, plan, 3)
    start, end = (now() + timedelta(hours=hours) for hours in (6, 10))
    window = {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}"}
    campaign = await make_campaign(api, plan, sendRate=100, unknownPolicy="NEVER")
    path = f"/campaigns/{campaign['id']}"
    wrong = [{"start": "9:00", "end": "18:00"}, {**window, "days": []}, {**window, "timezone": "Europe/Berlin"}]
    for each in [*wrong, {"start": "09:00", "end": "09:00"}]:
        assert await code(api, "PATCH", path, {"sendWindow": each}) == (422, "VALIDATION_ERROR")
    for rate in (0, -1, 1.5, "10", 10_000_001):
        assert await code(api, "PATCH", path, {"sendRate": rate}) == (422, "VALIDATION_ERROR")
    status, changed = await call(api, "PATCH", path, {"sendWindow": window})
    days = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
    assert (status, changed["sendRate"]) == (200, 100)
    assert changed["sendWindow"] == {**window, "days": days, "timezone": "RECIPIENT"}
    assert (await call(api, "POST", f"{path}/send"))[0] == 200

    async def held() -> dict[str, Any] | None:
        progress = await progress_of(target, path)
        return progress if progress["queued"] == 3 and progress["waitingFor"] == "SEND_WINDOW" else None

    progress = await eventually(held)
    assert progress["waitingUntil"] and progress["etaSeconds"] > 5 * 3600
    status, copy = await call(api, "POST", f"{path}/duplicate")
    assert (copy["sendRate"], copy["sendWindow"]) == (100, changed["sendWindow"])
    assert copy["unknownPolicy"] == "NEVER"
    assert await code(api, "PATCH", f"/campaigns/{copy['id']}", {"unknownPolicy": "MAYBE"}) == (422, "VALIDATION_ERROR")
    assert (await call(api, "POST", f"{path}/cancel"))[1]["status"] == "CANCELLED"
    status, replaced = await call(api, "PUT", f"/campaigns/{copy['id']}", {"name": "Plain"})
    assert (status, replaced["sendRate"], replaced["sendWindow"]) == (200, None, None)
    assert replaced["unknownPolicy"] == "RESEND"


async def test_contacts_who_unsubscribe_while_a_campaign_runs_get_no_mail_after_that(api: Api, plan: str) -> None:
    """Contacts without a mail one second after the response, by which time the senders know, get none."""
    addresses = await make_contacts(api, plan, 40)
    campaign = await make_campaign(api, plan, sendRate=5 * 3600)
    await api.post(f"/campaigns/{campaign['id']}/send", {})

    async def some_sent() -> bool:
        return bool((await api.get(f"/campaigns/{campaign['id']}/stats"))["sentCount"])

    await eventually(some_sent)
    waiting = [address for address in addresses if not await mails_to(api, address)]
    leaving = [await contact_of(api, address) for address in waiting[-12:]]
    for contact in leaving:
        await api.patch(f"/contacts/{contact['id']}", {"subscribed": False})
    await asyncio.sleep(1)
    mailed_before = {contact["email"] for contact in leaving if await mails_to(api, contact["email"])}
    stats = await until_sent(api, campaign)
    mailed = {contact["email"] for contact in leaving if await mails_to(api, contact["email"])}
    assert mailed == mailed_before
    assert stats["suppressedByReason"] == {"unsubscribed": len(leaving) - len(mailed)}
    assert stats["sentCount"] == 40 - len(leaving) + len(mailed)
    assert len(mailed) < len(leaving)


async def test_links_carry_utm_parameters(api: Api, plan: str) -> None:
    [address] = await make_contacts(api, plan, 1)
    campaign = await make_campaign(api, plan, utm={"source": "newsletter", "campaign": "spring"})
    path = f"/campaigns/{campaign['id']}"
    assert campaign["utm"] == {
        "source": "newsletter", "medium": "email", "campaign": "spring", "term": None, "content": None
    }  # fmt: skip
    for wrong in ({}, {"source": ""}, {"source": "x" * 101}, "newsletter"):
        assert await code(api, "PATCH", path, {"utm": wrong}) == (422, "VALIDATION_ERROR")
    await api.post(f"{path}/send", {})
    await until_sent(api, campaign)
    [mail] = await mails_to(api, address)
    assert "https://example.com/news?utm_source=newsletter&amp;utm_medium=email&amp;utm_campaign=spring" in mail["html"]
    assert (await call(api, "POST", f"{path}/duplicate"))[1]["utm"] == campaign["utm"]


async def test_a_cancelled_campaign_sends_to_nobody(api: Api, plan: str) -> None:
    [address] = await make_contacts(api, plan, 1)
    campaign = await make_campaign(api, plan)
    path = f"/campaigns/{campaign['id']}"
    await call(api, "POST", f"{path}/schedule", {"scheduledFor": TOMORROW})
    status, cancelled = await call(api, "POST", f"{path}/cancel")
    assert (status, cancelled["status"]) == (200, "CANCELLED")
    for action in ("send", "cancel", "pause", "resume"):
        assert (await call(api, "POST", f"{path}/{action}"))[0] == 409
    assert await code(api, "PATCH", path, {"name": "x"}) == (409, "CAMPAIGN_NOT_EDITABLE")
    assert await mails_to(api, address) == []


async def test_a_resumed_campaign_continues_where_it_was_paused(api: Api, plan: str) -> None:
    await make_contacts(api, plan, 40)
    campaign = await make_campaign(api, plan)
    path = f"/campaigns/{campaign['id']}"
    assert (await call(api, "POST", f"{path}/send"))[1]["status"] == "QUEUED"
    status, paused = await call(api, "POST", f"{path}/pause")
    assert (status, paused["status"]) == (200, "PAUSED")
    assert (await call(api, "POST", f"{path}/resume"))[1]["status"] == "SENDING"
    stats = await until_sent(api, campaign)
    assert (stats["totalRecipients"], stats["sentCount"]) == (40, 40)
    status, copy = await call(api, "POST", f"{path}/duplicate")
    assert (status, copy["status"], copy["name"]) == (201, "DRAFT", f"{plan} (Copy)")


async def test_the_life_of_a_template(api: Api) -> None:
    body = {"name": "Receipt", "subject": "Hi", "body": "<p>{{ total }}</p>", "from": SENDER["from"]}
    status, template = await call(api, "POST", "/templates", body)
    assert (status, template["variables"]) == (201, ["total"])
    path = f"/templates/{template['id']}"
    status, no = await call(api, "PATCH", path, {"body": "a\n{% nope %}"})
    assert (status, no["error"]["errors"][0]["message"][:16]) == (422, "Line 2, column 4")
    status, updated = await call(api, "PATCH", path, {"subject": "Hello"})
    assert (status, updated["subject"], updated["version"]) == (200, "Hello", 2)
    status, versions = await call(api, "GET", f"{path}/versions")
    assert (status, [version["version"] for version in versions]) == (200, [2, 1])
    status, restored = await call(api, "POST", f"{path}/versions/1/restore")
    assert (status, restored["subject"]) == (200, "Hi")
    status, copy = await call(api, "POST", f"{path}/duplicate")
    assert (status, copy["name"]) == (201, "Receipt (Copy)")
    assert await call(api, "DELETE", path) == (204, None)
    assert await code(api, "GET", path) == (404, "TEMPLATE_NOT_FOUND")


async def test_a_campaign_created_from_a_template_has_its_content(api: Api) -> None:
    body = {"name": "Base", "subject": "Hi", "body": "<p>Hi</p>", "from": SENDER["from"], "type": "HEADLESS"}
    template = await api.post("/templates", body)
    campaign = await draft(api, templateId=template["id"], subject="Mine")
    assert (campaign["subject"], campaign["body"], campaign["type"]) == ("Mine", "<p>Hi</p>", "HEADLESS")
    usage = await api.get(f"/templates/{template['id']}/usage")
    assert [use["id"] for use in usage["campaigns"]] == [campaign["id"]]
    assert await code(api, "DELETE", f"/templates/{template['id']}") == (409, "TEMPLATE_IN_USE")
    assert await code(api, "POST", "/campaigns", {"name": "x", "templateId": str(uuid4())}) == (
        404,
        "TEMPLATE_NOT_FOUND",
    )


async def test_a_template_used_by_a_workflow_cannot_be_deleted(api: Api) -> None:
    body = {"name": "Step", "subject": "Hi", "body": "<p>Hi</p>", "from": SENDER["from"]}
    template = await api.post("/templates", body)
    workflow = await api.post("/workflows", {"name": "Flow", "eventName": f"e-{uuid4().hex}"})
    step = {
        "type": "SEND_EMAIL",
        "name": "Mail",
        "position": {},
        "config": {"templateId": template["id"]},
        "templateId": template["id"],
    }
    await api.post(f"/workflows/{workflow['id']}/steps", step)
    path = f"/templates/{template['id']}"
    status, usage = await call(api, "GET", f"{path}/usage")
    assert (status, usage["campaigns"]) == (200, [])
    assert [(use["name"], use["workflowName"]) for use in usage["workflowSteps"]] == [("Mail", "Flow")]
    assert await code(api, "DELETE", path) == (409, "TEMPLATE_IN_USE")
