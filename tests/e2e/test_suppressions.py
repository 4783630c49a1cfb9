"""Suppression rules and suppressed addresses through the public HTTP API."""

from uuid import uuid4

from deploy.demo.api import Api
from libs.runtime.process.testing import eventually
from tests.e2e.story import SENDER, mails_to


async def test_rules_are_created_tested_changed_and_deleted(api: Api) -> None:
    mark = uuid4().hex
    body = {"name": "Tests", "kind": "WILDCARD", "pattern": f"*{mark}@*.test"}
    answer = await api.send("POST", "/suppressions", body, {})
    rule = answer.json()
    assert (answer.status_code, rule["kind"], rule["enabled"]) == (201, "WILDCARD", True)
    asked = await api.post("/suppressions/preview", {"address": f"Ann{mark}@example.test"})
    assert (asked["suppressed"], asked["match"]["id"]) == (True, rule["id"])
    changed = await api.send("PUT", f"/suppressions/{rule['id']}", body | {"enabled": False}, {})
    assert changed.json() == {"success": True}
    assert not (await api.post("/suppressions/preview", {"address": f"ann{mark}@example.test"}))["suppressed"]
    assert (await api.send("DELETE", f"/suppressions/{rule['id']}", {}, {})).json() == {"success": True}
    assert rule["id"] not in {each["id"] for each in await api.get("/suppressions")}
    unknown = await api.send("POST", "/suppressions", body | {"colour": "red"}, {})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (422, "VALIDATION_ERROR")
    wrong = await api.send("POST", "/suppressions", body | {"kind": "DOMAIN"}, {})
    assert (wrong.status_code, wrong.json()["error"]["errors"][0]["field"]) == (422, "pattern")


async def test_an_address_is_imported_exported_suppressed_and_released(api: Api) -> None:
    email = f"ada.{uuid4().hex}@example.net"
    assert await api.post("/suppressions/addresses/import", {"addresses": [email]}) == {"added": 1, "known": 0}
    mail = {"to": email, "subject": "Hi", "body": "Hi", **SENDER}
    sent = (await api.post("/v1/send", mail))["data"]["emails"][0]["email"]

    async def held() -> bool:
        return sent in {each["id"] for each in (await api.get("/suppressions/emails"))["emails"]}

    await eventually(held)
    assert (await api.get(f"/suppressions/emails/{sent}"))["state"] == "suppressed"
    exported = await api.send("GET", "/suppressions/addresses/export", {}, {})
    assert email in exported.text
    assert (await api.send("DELETE", f"/suppressions/addresses/{email}", {}, {})).status_code == 200
    again = await api.send("DELETE", f"/suppressions/addresses/{email}", {}, {})
    assert (again.status_code, again.json()["error"]["code"]) == (404, "SUPPRESSED_ADDRESS_NOT_FOUND")
    await api.post("/v1/send", mail)
    await eventually(lambda: mails_to(api, email))
