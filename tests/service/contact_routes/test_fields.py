"""Custom fields over HTTP."""

from typing import Any

import httpx
import pytest

from libs.runtime.process.testing import eventually
from services.contacts.fields.read_models.contact_field import MAX_VALUES
from tests.service.contact_routes.test_contacts import created


async def fields_of(api: httpx.AsyncClient) -> dict[str, tuple[Any, ...]]:
    answer = (await api.get("/contacts/fields")).json()
    assert answer["count"] == len(answer["fields"])
    return {each["field"]: (each["type"], each["isCustom"], each["coverage"]) for each in answer["fields"]}


async def test_fields_have_the_type_of_their_values_and_the_share_of_contacts_that_have_them(
    api: httpx.AsyncClient,
) -> None:
    await created(api, "a@example.com", data={"plan": "pro", "seats": 3, "vip": True, "since": "2025-03-01"})
    await created(api, "b@example.com", data={"plan": "free", "mixed": 1})
    await created(api, "c@example.com", data={"mixed": "x"})
    assert await fields_of(api) == {
        "createdAt": ("date", False, 100),
        "email": ("string", False, 100),
        "subscribed": ("boolean", False, 100),
        "updatedAt": ("date", False, 100),
        "data.plan": ("string", True, 67),
        "data.seats": ("number", True, 33),
        "data.vip": ("boolean", True, 33),
        "data.since": ("date", True, 33),
        "data.mixed": ("string", True, 67),
    }


async def test_coverage_follows_every_change_of_a_contact(api: httpx.AsyncClient) -> None:
    ann, bea = await created(api, data={"plan": "pro"}), await created(api, "bea@example.com", data={"plan": 5})
    assert (await fields_of(api))["data.plan"] == ("string", True, 100)
    await api.patch(f"/contacts/{ann['id']}", json={"data": {"plan": 7}})
    assert (await fields_of(api))["data.plan"] == ("number", True, 100)
    await api.patch(f"/contacts/{ann['id']}", json={"data": {"plan": None}})
    assert (await fields_of(api))["data.plan"] == ("number", True, 50)
    await api.delete(f"/contacts/{bea['id']}")
    assert "data.plan" not in await fields_of(api)


async def test_a_fields_values_are_listed_once_each_in_order(api: httpx.AsyncClient) -> None:
    for n, plan in enumerate(["pro", "free", "pro", 7, True, "", ["a"]]):
        await created(api, f"user{n}@example.com", data={"plan": plan})
    for field in ("plan", "data.plan"):
        answer = (await api.get(f"/contacts/fields/{field}/values")).json()
        assert answer == {"field": field, "values": [7, True, "free", "pro"], "count": 4, "limit": 100}
    assert (await api.get("/contacts/fields/plan/values", params={"limit": 2})).json()["values"] == [7, True]
    assert (await api.get("/contacts/fields/subscribed/values")).json()["values"] == [True, False]
    assert (await api.get("/contacts/fields/email/values")).json()["values"] == []


async def test_a_field_with_too_many_values_shows_those_of_the_newest_contacts(
    api: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_VALUES == 1000
    monkeypatch.setattr("services.contacts.fields.read_models.contact_field.MAX_VALUES", 3)
    for n in range(6):
        await created(api, f"user{n}@example.com", data={"number": n})
    answer = (await api.get("/contacts/fields/number/values")).json()
    assert answer["count"] == 3 and set(answer["values"]) <= set(range(6))
    assert (await fields_of(api))["data.number"] == ("number", True, 100)


@pytest.mark.parametrize("query", ["limit=0", "limit=201"])
async def test_invalid_limits_are_rejected(api: httpx.AsyncClient, query: str) -> None:
    assert (await api.get(f"/contacts/fields/plan/values?{query}")).status_code == 422


async def test_a_field_is_deleted_from_every_contact_and_from_no_other_project(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    ids = [(await created(api, f"user{n}@example.com", data={"plan": "pro", "n": n}))["id"] for n in range(5)]
    theirs = await created(stranger, data={"plan": "pro"})
    answer = await api.delete("/contacts/fields/data.plan")
    assert (answer.status_code, answer.json()["deletedFrom"]) == (200, 5) and answer.json()["jobId"]

    async def gone() -> bool:
        return "data.plan" not in await fields_of(api)

    await eventually(gone)
    assert [(await api.get(f"/contacts/{each}")).json()["data"] for each in ids] == [{"n": n} for n in range(5)]
    assert (await stranger.get(f"/contacts/{theirs['id']}")).json()["data"] == {"plan": "pro"}
    history = (await api.get(f"/contacts/{ids[0]}/history")).json()["data"]
    assert [entry["type"] for entry in history] == ["contact.updated", "contact.created"]


async def test_the_deletion_of_a_field_is_tracked_like_a_bulk_operation(api: httpx.AsyncClient) -> None:
    await created(api, "without@example.com", data={"n": 0})
    for n in range(2):
        await created(api, f"user{n}@example.com", data={"plan": "pro", "n": n})
    job = (await api.delete("/contacts/fields/plan")).json()["jobId"]

    async def ended() -> dict[str, Any] | None:
        answer = await api.get(f"/contacts/bulk/{job}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json()) if answer.json()["result"] else None

    done = await eventually(ended)
    assert (done["state"], done["progress"], done["failedReason"]) == ("completed", 100, None)
    assert done["result"]["operation"] == "delete-field"
    assert (done["result"]["totalRequested"], done["result"]["successCount"]) == (2, 2)
    assert (await api.post(f"/contacts/bulk/{job}/cancel")).json()["error"]["code"] == "JOB_ENDED"


async def test_another_project_cannot_see_the_deletion_of_a_field(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    await created(api, data={"plan": "pro"})
    job = (await api.delete("/contacts/fields/plan")).json()["jobId"]
    assert (await stranger.get(f"/contacts/bulk/{job}")).status_code == 404
    assert (await stranger.post(f"/contacts/bulk/{job}/cancel")).status_code == 404


async def test_a_field_that_a_segment_filters_by_cannot_be_deleted(api: httpx.AsyncClient) -> None:
    await created(api, data={"plan": "pro", "other": 1})
    condition = {
        "logic": "AND",
        "groups": [{"filters": [{"field": "data.plan", "operator": "equals", "value": "pro"}]}],
    }
    segment = (await api.post("/segments", json={"name": "Pro", "condition": condition})).json()
    usage = (await api.get("/contacts/fields/plan/usage")).json()
    assert usage["usedInSegments"] == [{"id": segment["id"], "name": "Pro"}]
    assert (usage["contactCount"], usage["canDelete"]) == (1, False)
    rejected = await api.delete("/contacts/fields/plan")
    assert (rejected.status_code, rejected.json()["error"]["code"]) == (409, "FIELD_IN_USE")
    assert rejected.json()["error"]["message"] == "Cannot delete field: used in 1 segments"
    assert (await api.get("/contacts/fields/other/usage")).json()["canDelete"]
    assert (await fields_of(api))["data.plan"]


async def test_standard_fields_cannot_be_deleted(api: httpx.AsyncClient) -> None:
    for field in ("email", "subscribed", "createdAt", "updatedAt"):
        assert (await api.delete(f"/contacts/fields/{field}")).status_code == 422
