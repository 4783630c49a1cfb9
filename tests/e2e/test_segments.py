"""Segments through the public HTTP API: every route and its errors."""

from typing import Any
from uuid import uuid4

import pytest

from deploy.demo.api import Api
from libs.runtime.process.testing import eventually
from tests.e2e.story import SENDER, make_contacts

NOBODY = "00000000-0000-7000-8000-000000000000"


def condition(*filters: dict[str, Any]) -> dict[str, Any]:
    return {"logic": "AND", "groups": [{"filters": list(filters)}]}


def on_plan(plan: str) -> dict[str, Any]:
    return condition({"field": "data.plan", "operator": "equals", "value": plan})


async def call(api: Api, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await api.send(method, path, body if body is not None else {}, {})
    return answer.status_code, answer.json() if answer.content else None


async def test_the_life_of_a_segment_through_every_route(api: Api, plan: str) -> None:
    addresses = await make_contacts(api, plan, 3)
    made = await api.post("/segments", {"name": f"Of {plan}", "condition": on_plan(plan), "trackMembership": True})
    assert (made["slug"], made["type"], made["memberCount"]) == (f"of-{plan}", "DYNAMIC", 3)
    path = f"/segments/{made['id']}"
    listed = await api.get(f"{path}/contacts", pageSize=2)
    assert (len(listed["data"]), listed["total"], listed["totalPages"]) == (2, 3, 2)
    assert await api.post(f"{path}/refresh", {}) == {"memberCount": 3}
    assert await api.post(f"{path}/compute", {}) == {"added": 3, "removed": 0, "total": 3}
    changed = await api.patch(path, {"name": "Renamed", "description": "Those on the plan"})
    assert (changed["slug"], changed["name"], changed["description"]) == (f"of-{plan}", "Renamed", "Those on the plan")
    contact = listed["data"][0]
    why = await api.get(f"{path}/contacts/{contact['id']}/explain")
    assert why["matches"] and why["condition"]["groups"][0]["filters"][0]["actual"] == plan
    assert made["id"] in [each["id"] for each in await api.get("/segments")]
    assert (await call(api, "DELETE", path)) == (204, None)
    assert (await call(api, "GET", path))[0] == 404
    assert len(addresses) == 3


async def test_contacts_who_enter_a_tracked_segment_start_its_workflow(api: Api, plan: str) -> None:
    await api.post("/segments", {"name": plan, "condition": on_plan(plan), "trackMembership": True})
    started = {"name": plan, "eventName": f"segment.{plan}.entry", "enabled": True}
    workflow = await api.post("/workflows", started)
    await api.patch(f"/workflows/{workflow['id']}", {"enabled": True})
    (email,) = await make_contacts(api, plan, 1)

    async def execution() -> Any:
        return (await api.get(f"/workflows/{workflow['id']}/executions"))["executions"]

    (run,) = await eventually(execution)
    contact = await api.get(f"/contacts/{run['contactId']}")
    assert contact["email"] == email


async def test_members_are_added_to_a_list_and_removed(api: Api, plan: str) -> None:
    (email,) = await make_contacts(api, plan, 1)
    made = await api.post("/segments", {"name": plan, "type": "STATIC"})
    assert (made["type"], made["condition"]) == ("STATIC", None)
    members = f"/segments/{made['id']}/members"
    other = f"{uuid4().hex}@example.net"
    assert await api.post(members, {"emails": [email, other]}) == {"added": 1, "created": 0, "notFound": [other]}
    added = await api.post(members, {"emails": [email, other], "createMissing": True, "subscribed": False})
    assert added == {"added": 1, "created": 1, "notFound": []}
    assert await call(api, "DELETE", members, {"emails": [email, "nobody@example.net"]}) == (200, {"removed": 1})
    assert [each["email"] for each in (await api.get(f"/segments/{made['id']}/contacts"))["data"]] == [other]


async def test_a_segment_in_use_cannot_be_deleted_and_says_what_uses_it(api: Api, plan: str) -> None:
    made = await api.post("/segments", {"name": plan, "condition": on_plan(plan)})
    field = {"field": f"segment.{made['id']}", "operator": "memberOfSegment"}
    other = await api.post("/segments", {"name": "Other", "condition": condition(field)})
    draft = {"name": plan, "subject": "Hi", "body": "<p>Hi</p>", "audienceType": "SEGMENT", "segmentId": made["id"]}
    campaign = await api.post("/campaigns", draft | SENDER)
    usage = await api.get(f"/segments/{made['id']}/usage")
    assert [each["id"] for each in usage["usedInSegments"]] == [other["id"]]
    assert [(each["id"], each["status"]) for each in usage["usedInCampaigns"]] == [(campaign["id"], "DRAFT")]
    assert (usage["usedInWorkflows"], usage["canDelete"]) == ([], False)
    for used in (made, other):
        if used is other:
            await call(api, "DELETE", f"/campaigns/{campaign['id']}")
            used = made
        status, answer = await call(api, "DELETE", f"/segments/{used['id']}")
        assert (status, answer["error"]["code"]) == (409, "SEGMENT_IN_USE")
    assert (await call(api, "DELETE", f"/segments/{other['id']}"))[0] == 204
    assert (await call(api, "DELETE", f"/segments/{made['id']}"))[0] == 204


DEEP: dict[str, Any] = on_plan("x")
for _ in range(5):
    DEEP = {"logic": "OR", "groups": [{"conditions": DEEP}]}
FIRST = "condition.groups.0.filters.0"


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"condition": {"logic": "XOR", "groups": []}}, "condition.logic"),
        ({"condition": {"logic": "AND", "groups": []}}, "condition.groups"),
        ({"condition": {"logic": "AND", "groups": [{"filters": []}]}}, "condition.groups.0"),
        ({"condition": "all"}, "condition"),
        ({"condition": {"logic": "AND", "groups": "all"}}, "condition.groups"),
        ({"condition": condition({"field": 5, "operator": "equals"})}, "condition.groups.0.filters.0.field"),
        ({"condition": condition({"field": "plan", "operator": "equals", "value": 1})}, f"{FIRST}.field"),
        ({"condition": condition({"field": "segment.x", "operator": "memberOfSegment"})}, f"{FIRST}.field"),
        ({"condition": condition({"field": f"segment.{NOBODY}", "operator": "memberOfSegment"})}, f"{FIRST}.field"),
        ({"condition": condition({"field": "data.x", "operator": "like", "value": 1})}, f"{FIRST}.operator"),
        ({"condition": condition({"field": "data.x", "operator": "equals"})}, f"{FIRST}.value"),
        ({"condition": condition({"field": "data.x", "operator": "within", "value": 1})}, f"{FIRST}.unit"),
        ({"condition": condition({"field": "data.x", "operator": "within", "value": 1e300, "unit": "days"})}, ""),
        ({"condition": condition({"field": "data.x", "operator": "within", "value": 1, "unit": "years"})}, ""),
        ({"condition": condition({"field": "data.x\0", "operator": "exists"})}, ""),
        ({"condition": condition(*[{"field": "data.x", "operator": "exists"}] * 51)}, "condition"),
        ({"condition": condition({"field": "data.x", "operator": "equals", "value": "x" * 70_000})}, "condition"),
        ({"condition": DEEP}, ""),
        ({"condition": None}, "condition"),
        ({"type": "STATIC"}, "condition"),
        ({"type": "OTHER"}, "type"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"description": "x" * 501}, "description"),
        ({"trackMembership": "yes"}, "trackMembership"),
    ],
)
async def test_an_invalid_segment_is_rejected_with_the_path_of_the_error(
    api: Api, bad: dict[str, Any], field: str
) -> None:
    body = {"name": "Bad", "condition": on_plan("x")} | bad
    status, answer = await call(api, "POST", "/segments", body)
    assert (status, answer["error"]["code"]) == (422, "VALIDATION_ERROR"), answer
    assert answer["error"]["errors"][0]["field"].startswith(field)
    made = await api.post("/segments", {"name": "Good", "condition": on_plan("x")})
    status, answer = await call(api, "PATCH", f"/segments/{made['id']}", bad)
    assert status in (200, 422)
    now = await api.get(f"/segments/{made['id']}")
    assert {**now, "updatedAt": ""} == {**made, "updatedAt": ""} if status == 422 else now["condition"]
    assert (await call(api, "DELETE", f"/segments/{made['id']}"))[0] == 204


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("DELETE", "", None),
        ("GET", "/contacts", None),
        ("POST", "/members", {"emails": ["ann@example.com"]}),
        ("DELETE", "/members", {"emails": ["ann@example.com"]}),
        ("POST", "/compute", None),
        ("POST", "/refresh", None),
        ("GET", "/usage", None),
        ("GET", f"/contacts/{NOBODY}/explain", None),
    ],
)
async def test_every_route_returns_not_found_for_an_unknown_segment(
    api: Api, method: str, path: str, body: Any
) -> None:
    for segment in (NOBODY, "nonsense", "%00"):
        status, answer = await call(api, method, f"/segments/{segment}{path}", body)
        assert (status, answer["error"]["code"]) == (404, "SEGMENT_NOT_FOUND")


async def test_only_lists_have_members_and_only_tracked_segments_are_computed(api: Api, plan: str) -> None:
    made = await api.post("/segments", {"name": plan, "condition": on_plan(plan)})
    known = await api.post("/segments", {"name": plan, "type": "STATIC"})
    path, listed = f"/segments/{made['id']}", f"/segments/{known['id']}"
    for method, place, body, status, code in [
        ("POST", f"{path}/members", {"emails": ["ann@example.com"]}, 400, "SEGMENT_NOT_STATIC"),
        ("DELETE", f"{path}/members", {"emails": ["ann@example.com"]}, 400, "SEGMENT_NOT_STATIC"),
        ("POST", f"{path}/compute", {}, 400, "SEGMENT_NOT_TRACKED"),
        ("PATCH", listed, {"condition": on_plan("x")}, 422, "VALIDATION_ERROR"),
        ("POST", f"{listed}/members", {"emails": []}, 422, "VALIDATION_ERROR"),
        ("POST", f"{listed}/members", {"emails": ["no address"]}, 422, "VALIDATION_ERROR"),
        ("POST", f"{listed}/members", {"emails": ["a@example.com"] * 501}, 422, "VALIDATION_ERROR"),
        ("POST", f"{listed}/members", {"emails": [5]}, 422, "VALIDATION_ERROR"),
        ("GET", f"{listed}/contacts?page=0", None, 422, "VALIDATION_ERROR"),
        ("GET", f"{listed}/contacts?pageSize=101", None, 422, "VALIDATION_ERROR"),
        ("GET", f"{listed}/contacts/{NOBODY}/explain", None, 404, "CONTACT_NOT_FOUND"),
    ]:
        answered, answer = await call(api, method, place, body)
        assert (answered, answer["error"]["code"]) == (status, code), (method, place, answer)
