"""The scenario of the demo: a segment, a follow-up workflow, a campaign."""

from typing import Any

from deploy.demo.api import Api

FROM = "team@{domain}"

SEGMENT = {
    "name": "Readers of the product news",
    "type": "DYNAMIC",
    "condition": {
        "logic": "OR",
        "groups": [
            {
                "filters": [
                    {"field": "subscribed", "operator": "equals", "value": True},
                    {"field": "data.plan", "operator": "equals", "value": "free"},
                ]
            },
            {
                "filters": [
                    {"field": "subscribed", "operator": "equals", "value": True},
                    {"field": "data.seats", "operator": "lessThan", "value": 200},
                    {"field": "data.plan", "operator": "notEquals", "value": "free"},
                ]
            },
        ],
    },
}

CAMPAIGN_BODY = """\
<h1>Hello {{ firstName ?? "there" }},</h1>
<p>segments now follow every change at once{% if plan == "team" %}, for all {{ seats }} of your seats{% endif %}.
Your {{ plan }} plan has them from today.</p>
<p><a href="https://example.com/news/segments?plan={{ plan }}">See what is new</a></p>
"""

FOLLOW_UP_BODY = """\
<p>{{ firstName ?? "Hello" }}, you had a look at segments. Three recipes that teams start with:</p>
<p><a href="https://example.com/recipes">Open the recipes</a></p>
"""


async def make_segment(api: Api) -> dict[str, Any]:
    segment: dict[str, Any] = await api.post("/segments", SEGMENT)
    return segment


async def make_workflow(api: Api, domain: str) -> dict[str, Any]:
    """Create a workflow that, three seconds after a click, writes to those who are not on the free plan."""
    template = await api.post(
        "/templates",
        {"name": "Recipes", "subject": "Three recipes for segments", "body": FOLLOW_UP_BODY, **_sender(domain)},
    )
    workflow: dict[str, Any] = await api.post("/workflows", {"name": "After a click", "eventName": "email.clicked"})
    steps = f"/workflows/{workflow['id']}/steps"
    await api.post(steps, _step("DELAY", "Three seconds", {"amount": 0.05, "unit": "minutes"}))
    paying = {"field": "data.plan", "operator": "notEquals", "value": "free"}
    condition = await api.post(steps, _step("CONDITION", "Paying?", paying))
    send = _step("SEND_EMAIL", "Recipes", {"templateId": template["id"]}) | {"templateId": template["id"]}
    mail = await api.post(steps, send | {"autoConnect": False})
    done = await api.post(steps, _step("EXIT", "Done", {"reason": "done"}) | {"autoConnect": False})
    for start, end, branch in ((condition, mail, "yes"), (condition, done, "no"), (mail, done, None)):
        path = {"fromStepId": start["id"], "toStepId": end["id"]}
        await api.post(
            f"/workflows/{workflow['id']}/transitions", path | ({"condition": {"branch": branch}} if branch else {})
        )
    enabled: dict[str, Any] = await api.patch(f"/workflows/{workflow['id']}", {"enabled": True})
    return enabled


async def make_campaign(api: Api, domain: str, segment: dict[str, Any]) -> dict[str, Any]:
    campaign: dict[str, Any] = await api.post(
        "/campaigns",
        {
            "name": "Product news",
            "subject": "{{ firstName ?? 'Hello' }}, segments that follow every change",
            "body": CAMPAIGN_BODY,
            "audienceType": "SEGMENT",
            "segmentId": segment["id"],
            **_sender(domain),
        },
    )
    return campaign


def _sender(domain: str) -> dict[str, str]:
    return {"from": FROM.format(domain=domain), "fromName": "Team Example", "type": "MARKETING"}


def _step(kind: str, name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "name": name, "position": {"x": 0, "y": 0}, "config": config}
