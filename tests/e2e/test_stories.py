"""The promises of the README, kept through the public HTTP API."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from deploy.demo.api import Api, RequestFailed
from deploy.demo.proof import prove
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually
from tests.e2e.story import (
    SENDER,
    contact_of,
    mails_to,
    make_campaign,
    make_contacts,
    until_sent,
)


async def test_an_event_creates_a_contact_and_clients_of_both_api_generations_can_read_the_response(api: Api) -> None:
    email = f"ada.{uuid4().hex}@example.net"
    answer = await api.post("/v1/track", {"email": email.upper(), "event": "signed_up", "data": {"plan": "pro"}})
    assert answer["success"] is True
    assert answer["contact"] == answer["data"]["contact"]
    contact = await api.get(f"/contacts/{answer['contact']}")
    assert (contact["email"], contact["subscribed"], contact["data"]) == (email, True, {"plan": "pro"})


async def test_a_mail_is_rendered_sent_once_and_its_delivery_is_recorded(api: Api) -> None:
    email = f"success+{uuid4().hex}@simulator.amazonses.com"
    body = {"to": email, "subject": "Hi {{ name }}", "body": "<p>{{ name }}</p>", "data": {"name": "Ada <3"}, **SENDER}
    answer = await api.post("/v1/send", body)
    [sent] = answer["data"]["emails"]
    [mail] = await eventually(lambda: mails_to(api, email))
    assert mail["emailId"] == sent["email"]
    assert mail["subject"] == "Hi Ada <3"
    assert "Ada &lt;3" in mail["html"]
    assert (await contact_of(api, email))["subscribed"] is False


async def test_a_repeated_call_with_the_same_key_sends_one_mail(api: Api) -> None:
    email = f"ada.{uuid4().hex}@example.net"
    body = {"to": email, "subject": "Once", "body": "<p>Once</p>", **SENDER}
    key = {"Idempotency-Key": uuid4().hex}
    first = await api.send("POST", "/v1/send", body, key)
    again = await api.send("POST", "/v1/send", body, key)
    other = await api.send("POST", "/v1/send", body | {"subject": "Twice"}, key)
    assert first.json() == again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_KEY_REUSED")
    assert len(await eventually(lambda: mails_to(api, email))) == 1


async def test_a_campaign_reaches_everyone_in_its_segment_once(api: Api, plan: str) -> None:
    addresses = await make_contacts(api, plan, 120)
    campaign = await make_campaign(api, plan)
    assert campaign["status"] == "DRAFT"
    await api.post(f"/campaigns/{campaign['id']}/send", {})
    stats = await until_sent(api, campaign)
    assert (stats["totalRecipients"], stats["sentCount"]) == (120, 120)
    proof = await prove(api, campaign, 120)
    assert proof.holds, proof
    assert [len(await mails_to(api, email)) for email in addresses[:5]] == [1] * 5

    async def delivered() -> bool:
        stats = await api.get(f"/campaigns/{campaign['id']}/stats")
        return bool(stats["deliveredCount"] + stats["bouncedCount"] >= 120)

    await eventually(delivered, 60)


async def test_a_campaign_cannot_be_sent_twice(api: Api, plan: str) -> None:
    await make_contacts(api, plan, 3)
    campaign = await make_campaign(api, plan)
    await api.post(f"/campaigns/{campaign['id']}/send", {})
    with pytest.raises(RequestFailed, match="CAMPAIGN_NOT_SENDABLE"):
        await api.post(f"/campaigns/{campaign['id']}/send", {})
    await until_sent(api, campaign)


async def test_a_permanent_bounce_unsubscribes_and_the_next_campaign_excludes_the_contact(api: Api, plan: str) -> None:
    email = f"bounce+{plan}@simulator.amazonses.com"
    await api.post("/contacts", {"email": email, "data": {"plan": plan}})
    first = await make_campaign(api, plan)
    await api.post(f"/campaigns/{first['id']}/send", {})

    async def unsubscribed() -> bool:
        return not (await contact_of(api, email))["subscribed"]

    await eventually(unsubscribed, 30)
    second = await make_campaign(api, plan)
    await api.post(f"/campaigns/{second['id']}/send", {})
    assert (await until_sent(api, second))["totalRecipients"] == 0
    assert len(await mails_to(api, email)) == 1


async def test_the_link_in_a_mail_unsubscribes_only_when_a_person_confirms(
    api: Api, http: httpx.AsyncClient, plan: str
) -> None:
    [email] = await make_contacts(api, plan, 1)
    campaign = await make_campaign(api, plan)
    await api.post(f"/campaigns/{campaign['id']}/send", {})
    [mail] = await eventually(lambda: mails_to(api, email), 30)
    link = link_of(mail)
    page = await http.get(link)
    assert page.status_code == 200
    assert (await http.head(link)).status_code == 200
    assert (await contact_of(api, email))["subscribed"] is True
    for _ in range(3):
        one_click = await http.post(link, data={"List-Unsubscribe": "One-Click"})
        assert one_click.status_code == 200
    assert (await contact_of(api, email))["subscribed"] is False


def link_of(mail: dict[str, Any]) -> str:
    headers = {name.lower(): value for name, value in mail["headers"].items()}
    assert headers["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    found = re.search(r"<(http[^>]+)>", headers["list-unsubscribe"])
    assert found
    return found[1]


async def test_an_invalid_link_reveals_nothing(http: httpx.AsyncClient) -> None:
    first, second = await http.get("/unsubscribe/nonsense"), await http.post("/unsubscribe/" + "A" * 88)
    assert (first.status_code, second.status_code) == (404, 404)
    assert first.text == second.text


async def test_a_workflow_follows_up_on_an_event_after_a_delay_and_a_condition(api: Api, plan: str) -> None:
    workflow = await make_workflow(api, plan)
    for email, paying in ((f"yes@{plan}.example.com", "pro"), (f"no@{plan}.example.com", "free")):
        await api.post("/v1/track", {"email": email, "event": plan, "data": {"plan": paying}})
    [mail] = await eventually(lambda: mails_to(api, f"yes@{plan}.example.com"), 30)
    assert mail["subject"] == "For pro"

    async def finished() -> bool:
        page = await api.get(f"/workflows/{workflow}/executions")
        return sorted(e["status"] for e in page["executions"]) == ["EXITED", "EXITED"]

    await eventually(finished, 30)
    assert await mails_to(api, f"no@{plan}.example.com") == []


async def make_workflow(api: Api, event: str) -> str:
    template = await api.post(
        "/templates", {"name": event, "subject": "For {{ plan }}", "body": "<p>Hi</p>", "type": "MARKETING", **SENDER}
    )
    workflow: str = (await api.post("/workflows", {"name": event, "eventName": event}))["id"]

    async def add(kind: str, config: dict[str, Any], **more: Any) -> str:
        step = {"type": kind, "name": kind, "position": {}, "config": config, **more}
        added: str = (await api.post(f"/workflows/{workflow}/steps", step))["id"]
        return added

    await add("DELAY", {"amount": 0.01, "unit": "minutes"})
    condition = await add("CONDITION", {"field": "data.plan", "operator": "equals", "value": "pro"})
    mail = await add("SEND_EMAIL", {"templateId": template["id"]}, templateId=template["id"], autoConnect=False)
    end = await add("EXIT", {"reason": "done"}, autoConnect=False)
    for start, goal, branch in ((condition, mail, "yes"), (condition, end, "no"), (mail, end, None)):
        condition_of = {"condition": {"branch": branch}} if branch else {}
        await api.post(f"/workflows/{workflow}/transitions", {"fromStepId": start, "toStepId": goal, **condition_of})
    await api.patch(f"/workflows/{workflow}", {"enabled": True})
    return workflow


async def test_a_forged_notification_is_rejected_without_a_trace(
    api: Api, http: httpx.AsyncClient, target: Target, plan: str
) -> None:
    [email] = await make_contacts(api, plan, 1)
    contact = await contact_of(api, email)
    forged = {
        "Type": "Notification",
        "MessageId": str(uuid4()),
        "TopicArn": "arn:aws:sns:us-east-1:000000000000:godwit-sandbox",
        "Message": '{"eventType":"Bounce"}',
        "Timestamp": "2026-11-21T00:00:00.000Z",
        "SignatureVersion": "2",
        "Signature": "AAAA",
        "SigningCertURL": f"{target.endpoints.sandbox_url}/SimpleNotificationService-{'0' * 32}.pem",
    }
    before = await api.sandbox_stats()
    answer = await http.post("/webhooks/sns", json=forged)
    assert answer.status_code == 403
    assert answer.json()["success"] is False
    assert await contact_of(api, email) == contact
    assert (await api.sandbox_stats())["accepted"] == before["accepted"]


async def test_the_documents_of_the_api_are_served(http: httpx.AsyncClient) -> None:
    document = (await http.get("/docs/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert "/v1/track" in document["paths"]
    assert (await http.get("/docs")).status_code == 200
