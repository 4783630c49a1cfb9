"""Steps that several stories share."""

import asyncio
from typing import Any

from deploy.demo.api import Api
from libs.runtime.process.testing import eventually

SENDER = {"from": "team@example.com", "fromName": "Team"}


async def make_contacts(api: Api, plan: str, count: int) -> list[str]:
    """Create subscribed contacts with this plan, and return their addresses."""
    addresses = [f"reader.{number}@{plan}.example.com" for number in range(count)]
    bodies = [{"email": email, "data": {"plan": plan, "firstName": "Ada"}} for email in addresses]
    for start in range(0, count, 16):
        await asyncio.gather(*(api.post("/contacts", body) for body in bodies[start : start + 16]))
    return addresses


async def make_segment(api: Api, plan: str) -> dict[str, Any]:
    filters = [{"field": "data.plan", "operator": "equals", "value": plan}]
    segment: dict[str, Any] = await api.post(
        "/segments", {"name": plan, "condition": {"logic": "AND", "groups": [{"filters": filters}]}}
    )
    return segment


async def make_campaign(api: Api, plan: str, **changes: Any) -> dict[str, Any]:
    segment = await make_segment(api, plan)
    body = "<p>Hello {{ firstName }}: <a href='https://example.com/news'>news</a></p>"
    campaign: dict[str, Any] = await api.post(
        "/campaigns",
        {
            "name": plan,
            "subject": "News for {{ plan }}",
            "body": body,
            "audienceType": "SEGMENT",
            "segmentId": segment["id"],
            **SENDER,
            **changes,
        },
    )
    return campaign


async def until_sent(api: Api, campaign: dict[str, Any], within: float = 60.0) -> dict[str, Any]:
    """Wait until every intent of the campaign is final, and return its stats."""

    async def sent() -> dict[str, Any] | None:
        stats = await api.get(f"/campaigns/{campaign['id']}/stats")
        return stats if stats["status"] == "SENT" else None

    return await eventually(sent, within, every=0.3)


async def contact_of(api: Api, email: str) -> dict[str, Any]:
    page = await api.get("/contacts", search=email)
    [contact] = page["data"]
    return dict(contact)


async def mails_to(api: Api, email: str) -> list[dict[str, Any]]:
    """Return all mails to the address that the sandbox accepted, with all fields."""
    answer = await api.sandbox_get("/sandbox/messages", to=email)
    return list(answer["messages"])
