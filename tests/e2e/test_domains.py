"""The life of a sending domain through the public HTTP API."""

from collections.abc import Mapping
from uuid import UUID, uuid4

import httpx
import pytest

from deploy.demo.api import Api
from deploy.demo.target import Target
from libs.runtime.process.testing import eventually


@pytest.fixture
def domain() -> str:
    return f"{uuid4().hex[:20]}.example.org"


async def publish(target: Target, domain: str, published: bool = True) -> None:
    """Publish the DNS records of the domain, or remove them."""
    async with httpx.AsyncClient(base_url=target.endpoints.sandbox_url) as sandbox:
        body = {"identity": domain, "verified": published}
        (await sandbox.post("/sandbox/identities", json=body)).raise_for_status()


async def refusal(api: Api, method: str, path: str, body: Mapping[str, object] | None = None) -> tuple[int, str]:
    answer = await api.send(method, path, body or {}, {})
    return answer.status_code, answer.json()["error"]["code"]


async def test_a_domain_is_added_verified_used_and_removed(api: Api, target: Target, domain: str) -> None:
    project = await api.get("/domains")
    added = (await api.send("POST", "/domains", {"domain": domain, "projectId": str(uuid4())}, {})).json()
    assert (added["domain"], len(added["dkimTokens"]), len(added["records"])) == (domain, 3, 6)
    assert domain in {each["domain"] for each in await api.get(f"/domains/project/{project[0]['projectId']}")}
    await publish(target, domain)
    checked = await api.get(f"/domains/{added['id']}/verify")
    assert (checked["status"], checked["verified"], checked["tokens"]) == ("Success", True, added["tokens"])
    mail = {"to": f"ada.{uuid4().hex}@example.net", "subject": "Hi", "body": "Hi", "from": f"us@{domain}"}
    assert (await api.send("POST", "/v1/send", mail, {})).status_code == 200
    subdomain = mail | {"from": f"us@news.{domain}"}
    assert await refusal(api, "POST", "/v1/send", subdomain) == (403, "DOMAIN_NOT_REGISTERED")
    await publish(target, domain, False)
    assert (await api.get(f"/domains/{added['id']}/verify"))["status"] == "Pending"
    assert await refusal(api, "POST", "/v1/send", mail) == (403, "DOMAIN_NOT_VERIFIED")
    gone = await api.send("DELETE", f"/domains/{added['id']}", {}, {})
    assert (gone.status_code, gone.json()) == (200, {"success": True})
    assert await refusal(api, "GET", f"/domains/{added['id']}/verify") == (404, "DOMAIN_NOT_FOUND")


async def test_an_invalid_domain_is_rejected_with_its_reason(api: Api, domain: str) -> None:
    assert await refusal(api, "POST", "/domains", {}) == (422, "VALIDATION_ERROR")
    assert await refusal(api, "POST", "/domains", {"domain": "not a domain"}) == (422, "VALIDATION_ERROR")
    added = (await api.send("POST", "/domains", {"domain": domain.upper(), "verified": True}, {})).json()
    assert (added["domain"], added["vouched"]) == (domain, False)
    assert await refusal(api, "POST", "/domains", {"domain": domain}) == (409, "DOMAIN_ALREADY_EXISTS")
    for path in (f"/domains/{UUID(int=7)}", "/domains/nonsense"):
        assert await refusal(api, "DELETE", path) == (404, "DOMAIN_NOT_FOUND")


async def test_a_domain_used_by_templates_cannot_be_removed(api: Api, target: Target, domain: str) -> None:
    added = await api.post("/domains", {"domain": domain})
    await publish(target, domain)
    await api.get(f"/domains/{added['id']}/verify")
    template = {"name": "Welcome", "subject": "Hi", "body": "Hi", "from": f"us@{domain}"}
    assert await refusal(api, "POST", "/templates", template | {"from": "us@unknown.example"}) == (
        403,
        "DOMAIN_NOT_VERIFIED",
    )

    async def created() -> bool:
        """Create the template once campaigns knows the domain."""
        return (await api.send("POST", "/templates", template, {})).status_code == 201

    await eventually(created)
    assert await refusal(api, "DELETE", f"/domains/{added['id']}") == (409, "DOMAIN_IN_USE")
