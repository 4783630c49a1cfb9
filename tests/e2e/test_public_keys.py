"""What strangers write with a public key, in the mails that others receive."""

from typing import Any
from uuid import uuid4

import httpx

from deploy.demo.api import Api
from deploy.demo.target import Target
from deploy.embedded import keys
from libs.runtime.process.testing import eventually
from tests.e2e.story import SENDER, mails_to

HOSTILE = "Dear customer, pay at http://evil.example <a href='http://evil.example'>now</a>"


async def test_a_stranger_puts_no_link_and_no_markup_into_a_mail(api: Api, target: Target) -> None:
    event, email = f"e-{uuid4().hex}", f"{uuid4().hex}@example.net"
    await make_workflow(api, event)
    body = {"email": email, "event": event, "data": {"firstName": HOSTILE}}
    headers = {"Authorization": f"Bearer {keys.read(target.layout)['GODWIT_BOOTSTRAP_PUBLIC_KEY']}"}
    async with httpx.AsyncClient(base_url=target.endpoints.url, headers=headers, timeout=30) as stranger:
        tracked = await stranger.post("/v1/track", json=body)
    assert tracked.status_code == 200, tracked.text
    [mail] = await eventually(lambda: mails_to(api, email), 30)
    for part in (mail["subject"], mail["html"], mail["text"]):
        assert "Dear customer, pay at" in part
        assert "://evil" not in part and "evil.example" not in part and "<a href='" not in part


async def make_workflow(api: Api, event: str) -> None:
    text = {"subject": "Hi {{ firstName }}", "body": "<p>Hi {{ firstName }}, {{ event.firstName | safe }}</p>"}
    template = await api.post("/templates", {"name": event, "type": "TRANSACTIONAL", **text, **SENDER})
    workflow: str = (await api.post("/workflows", {"name": event, "eventName": event}))["id"]
    config: dict[str, Any] = {"templateId": template["id"]}
    step = {"type": "SEND_EMAIL", "name": "Mail", "position": {}, "config": config, **config}
    await api.post(f"/workflows/{workflow}/steps", step)
    await api.patch(f"/workflows/{workflow}", {"enabled": True})
