"""Campaigns in the older API, `/v1`."""

from deploy.demo.api import Api
from tests.e2e.story import contact_of, mails_to, make_contacts, until_sent
from tests.e2e.test_campaign_life import call, code


async def test_a_campaign_goes_to_the_named_contacts(api: Api, plan: str) -> None:
    [known, _] = await make_contacts(api, plan, 2)
    contact, stranger = await contact_of(api, known), f"new@{plan}.example.com"
    body = {"subject": "My new campaign!", "body": "This is **it**.", "recipients": [contact["id"], stranger]}
    status, created = await call(api, "POST", "/v1/campaigns", body)
    assert (status, created["status"], created["style"], created["delivered"]) == (200, "DRAFT", "PLUNK", None)
    assert created["body"] == "This is **it**."
    changed = {**body, "id": created["id"], "subject": "Changed", "style": "HTML", "body": "<p>It</p>"}
    status, updated = await call(api, "PUT", "/v1/campaigns", changed)
    assert (status, updated["subject"], updated["style"]) == (200, "Changed", "HTML")
    assert await call(api, "POST", "/v1/campaigns/send", {"id": created["id"], "live": True, "delay": 0}) == (200, {})
    stats = await until_sent(api, created)
    assert stats["sentCount"] == 2
    assert [len(await mails_to(api, address)) for address in (known, stranger)] == [1, 1]
    status, shown = await call(api, "GET", f"/v1/campaigns/{created['id']}")
    assert (status, shown["status"]) == (200, "DELIVERED")
    assert shown["delivered"]
    status, copy = await call(api, "POST", "/v1/campaigns/duplicate", {"id": created["id"]})
    assert (status, copy["status"], copy["subject"]) == (200, "DRAFT", "Changed")
    status, gone = await call(api, "DELETE", "/v1/campaigns", {"id": copy["id"]})
    assert (status, gone["id"]) == (200, copy["id"])


async def test_invalid_requests_are_rejected_in_the_common_envelope(api: Api) -> None:
    body = {"subject": "S", "body": "B", "recipients": ["nobody"]}
    assert await code(api, "POST", "/v1/campaigns", body) == (422, "VALIDATION_ERROR")
    status, created = await call(api, "POST", "/v1/campaigns", {**body, "recipients": ["all"]})
    assert status == 200
    assert await code(api, "POST", "/v1/campaigns/send", {"id": created["id"]}) == (422, "VALIDATION_ERROR")
    assert await call(api, "POST", "/v1/campaigns/send", {"id": created["id"], "live": True, "delay": 5}) == (200, {})
    assert (await api.get(f"/campaigns/{created['id']}"))["status"] == "SCHEDULED"
    assert await code(api, "DELETE", "/v1/campaigns", {"id": created["id"]}) == (409, "CAMPAIGN_NOT_DELETABLE")
    assert await code(api, "GET", "/v1/campaigns/x") == (404, "CAMPAIGN_NOT_FOUND")
    await api.post(f"/campaigns/{created['id']}/unschedule", {})
