"""Tracked events over HTTP: listed, counted, looked up and deleted."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from libs.runtime.process.runtime import Runtime
from libs.runtime.process.testing import eventually, running
from services.workflows.app import build as build_workflows
from tests.conftest import Stack
from tests.service.gateway.test_requests import error_of


@pytest.fixture(scope="module", autouse=True)
async def workflows(stack: Stack) -> AsyncIterator[Runtime]:
    """Run the workflows service, which is asked where an event is used."""
    config = stack.settings("workflows")
    async with running(build_workflows(config), config) as runtime:
        yield runtime


async def track(api: httpx.AsyncClient, event: str, name: str = "ann", **fields: Any) -> dict[str, Any]:
    response = await api.post("/v1/track", json={"email": f"{name}@example.com", "event": event, **fields})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def names(api: httpx.AsyncClient) -> list[str]:
    found: list[str] = (await api.get("/events/names")).json()["eventNames"]
    return found


async def test_an_event_is_listed_with_its_data(api: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    first = await track(api, "signed_up", data={"plan": "pro", "code": {"value": 7, "persistent": False}})
    await track(api, "purchased", "bob")
    answer = (await api.get("/events")).json()
    assert [event["name"] for event in answer["events"]] == ["purchased", "signed_up"]
    assert answer["events"][1] == {
        "id": first["event"],
        "name": "signed_up",
        "contactId": first["contact"],
        "contact": {"email": "ann@example.com"},
        "data": {"plan": "pro", "code": 7},
        "createdAt": first["timestamp"],
    }
    assert (await stranger.get("/events")).json()["events"] == []


async def test_events_are_listed_by_name_by_contact_and_in_pages(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    ann = [await track(api, event) for event in ("a", "b", "a")]
    await track(api, "a", "bob")
    by_name = (await api.get("/events", params={"eventName": "a", "limit": 2})).json()
    assert by_name["hasMore"]
    rest = (await api.get("/events", params={"eventName": "a", "limit": 2, "cursor": by_name["cursor"]})).json()
    found = [event["id"] for event in by_name["events"] + rest["events"]]
    assert [found[1], found[2]] == [ann[2]["event"], ann[0]["event"]]
    of_ann = await api.get(f"/events/contact/{ann[0]['contact']}")
    assert [event["id"] for event in of_ann.json()["events"]] == [each["event"] for each in reversed(ann)]
    assert error_of(await stranger.get(f"/events/contact/{ann[0]['contact']}")) == (404, "CONTACT_NOT_FOUND")


async def test_events_are_counted_within_a_time_range(api: httpx.AsyncClient) -> None:
    for event in ("rare", "often", "often"):
        await track(api, event)
    assert (await api.get("/events/stats")).json() == [{"name": "often", "count": 2}, {"name": "rare", "count": 1}]
    assert await names(api) == ["often", "rare"]
    assert (await api.get("/events/stats?endDate=2020-01-01T00:00:00Z")).json() == []
    assert len((await api.get("/events/stats?startDate=2020-01-01T00:00:00&endDate=2100-01-01T00:00:00Z")).json()) == 2
    assert error_of(await api.get("/events/stats?startDate=yesterday")) == (422, "VALIDATION_ERROR")


async def test_the_alias_tracks_for_a_contact_by_id_or_address(api: httpx.AsyncClient) -> None:
    ann = (await api.post("/contacts", json={"email": "ann@example.com"})).json()
    response = await api.post("/events/track", json={"name": "opened", "contactId": ann["id"], "data": {"n": 1}})
    answer = response.json()
    assert (response.status_code, answer["success"], answer["contact"]) == (201, True, ann["id"])
    assert answer["data"] == {name: answer[name] for name in ("contact", "event", "timestamp")}
    other = await api.post("/events/track", json={"event": "opened", "email": "new@example.com"})
    assert other.status_code == 201
    assert (await api.get("/events/stats")).json() == [{"name": "opened", "count": 2}]


@pytest.mark.parametrize(
    ("body", "answer", "field"),
    [
        ({"contactId": str(uuid4()), "name": "x"}, (404, "CONTACT_NOT_FOUND"), None),
        ({"contactId": "x", "name": "x"}, (422, "VALIDATION_ERROR"), "contactId"),
        ({"email": "ann@example.com"}, (422, "VALIDATION_ERROR"), "name"),
        ({"name": "x"}, (422, "VALIDATION_ERROR"), "contactId"),
        ({"name": "", "email": "ann@example.com"}, (422, "VALIDATION_ERROR"), "name"),
        ({"name": "email.opened", "email": "ann@example.com"}, (422, "VALIDATION_ERROR"), "event"),
        ({"name": "segment.x.entry", "email": "ann@example.com"}, (422, "VALIDATION_ERROR"), "event"),
    ],
)
async def test_invalid_events_are_rejected(
    api: httpx.AsyncClient, body: object, answer: tuple[int, str], field: str | None
) -> None:
    response = await api.post("/events/track", json=body)
    assert error_of(response) == answer
    assert [error["field"] for error in response.json()["error"].get("errors", [])] == ([field] if field else [])


async def test_an_event_that_nothing_uses_is_deleted_with_all_its_occurrences(api: httpx.AsyncClient) -> None:
    for name in ("ann", "bob", "ann"):
        await track(api, "old one", name)
    ann = await track(api, "kept")
    usage = (await api.get(f"/events/{quote('old one')}/usage")).json()
    assert usage == {
        "usedInSegments": [],
        "usedInWorkflows": [],
        "totalCount": 3,
        "uniqueContacts": 2,
        "canDelete": True,
    }
    deleted = await api.delete(f"/events/{quote('old one')}")
    assert (deleted.status_code, deleted.json()) == (200, {"deletedCount": 3})

    async def gone() -> bool:
        return await names(api) == ["kept"]

    await eventually(gone)
    assert [event["name"] for event in (await api.get(f"/events/contact/{ann['contact']}")).json()["events"]] == [
        "kept"
    ]
    assert (await api.delete("/events/never")).json() == {"deletedCount": 0}
    await track(api, "old one")
    condition = {"logic": "AND", "groups": [{"filters": [{"field": "event.old one", "operator": "triggered"}]}]}
    segment = (await api.post("/segments", json={"name": "Again", "condition": condition})).json()
    members = (await api.get(f"/segments/{segment['id']}/contacts")).json()["data"]
    assert [member["email"] for member in members] == ["ann@example.com"]


async def test_an_event_that_a_segment_or_a_workflow_uses_stays(api: httpx.AsyncClient) -> None:
    await track(api, "purchased")
    condition = {"logic": "AND", "groups": [{"filters": [{"field": "event.purchased", "operator": "triggered"}]}]}
    segment = (await api.post("/segments", json={"name": "Buyers", "condition": condition})).json()
    assert error_of(await api.delete("/events/purchased")) == (409, "EVENT_IN_USE")
    workflow = await api.post("/workflows", json={"name": "Thanks", "eventName": "purchased"})
    assert workflow.status_code == 201, workflow.text
    usage = (await api.get("/events/purchased/usage")).json()
    assert [each["id"] for each in usage["usedInSegments"]] == [segment["id"]]
    assert [each["name"] for each in usage["usedInWorkflows"]] == ["Thanks"]
    assert not usage["canDelete"]
    await api.delete(f"/segments/{segment['id']}")
    assert error_of(await api.delete("/events/purchased")) == (409, "EVENT_IN_USE")


@pytest.mark.parametrize("name", ["email.opened", "contact.subscribed", "segment.vip.exit"])
async def test_reserved_events_are_not_deleted(api: httpx.AsyncClient, name: str) -> None:
    assert error_of(await api.delete(f"/events/{name}")) == (422, "VALIDATION_ERROR")


async def test_the_events_of_a_deleted_contact_are_deleted(api: httpx.AsyncClient) -> None:
    ann = await track(api, "signed_up")
    await api.delete(f"/contacts/{ann['contact']}")
    assert await names(api) == []
