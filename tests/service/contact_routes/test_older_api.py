"""The calls of the older API."""

import json

import httpx
import pytest


@pytest.mark.parametrize("base", ["/v1/contacts", "/api/v1/contacts"])
async def test_the_older_api_covers_the_life_of_a_contact(api: httpx.AsyncClient, base: str) -> None:
    new = await api.post(base, json={"email": "Ann@example.com", "subscribed": True, "data": {"project": "Plunk"}})
    contact = new.json()
    assert (new.status_code, contact["success"], contact["email"]) == (200, True, "ann@example.com")
    assert contact["data"] == {"project": "Plunk"} and contact["createdAt"].endswith("Z")
    assert (await api.get(f"{base}/count")).json() == {"count": 1}

    listed = (await api.get(base)).json()
    assert [each["id"] for each in listed] == [contact["id"]] and json.loads(listed[0]["data"]) == {"project": "Plunk"}
    assert (await api.get(f"{base}/{contact['id']}")).json() == listed[0]

    changed = await api.put(base, json={"id": contact["id"], "data": {"seats": 3, "project": None}})
    assert changed.json()["success"] and changed.json()["data"] == {"seats": 3}
    assert (await api.put(base, json={"email": "ANN@example.com", "subscribed": False})).json()["subscribed"] is False

    for name in ({"id": contact["id"]}, {"email": "Ann@example.com"}):
        answer = await api.post(f"{base}/subscribe", json=name)
        assert answer.json() == {"success": True, "contact": contact["id"], "subscribed": True}
        answer = await api.post(f"{base}/unsubscribe", json=name)
        assert answer.json() == {"success": True, "contact": contact["id"], "subscribed": False}

    gone = await api.request("DELETE", base, json={"id": contact["id"]})
    assert (gone.status_code, gone.json()["success"], gone.json()["email"]) == (200, True, "ann@example.com")
    assert (await api.get(base)).json() == [] and (await api.get(f"{base}/count")).json() == {"count": 0}


async def test_an_address_that_a_contact_has_cannot_be_created_again(api: httpx.AsyncClient) -> None:
    body = {"email": "ann@example.com", "subscribed": True}
    await api.post("/v1/contacts", json=body)
    rejected = await api.post("/v1/contacts", json=body)
    assert (rejected.status_code, rejected.json()["error"]["message"]) == (409, "Contact already exists")


async def test_the_whole_list_is_streamed_over_many_pages(api: httpx.AsyncClient) -> None:
    for n in range(105):
        await api.post("/contacts", json={"email": f"user{n}@example.com"})
    listed = (await api.get("/v1/contacts")).json()
    assert [each["email"] for each in listed] == [f"user{n}@example.com" for n in range(104, -1, -1)]


async def test_exactly_one_of_id_and_address_is_required(api: httpx.AsyncClient) -> None:
    for path in ("/v1/contacts/subscribe", "/v1/contacts/unsubscribe"):
        for body in ({}, {"id": "x", "email": "ann@example.com"}):
            assert (await api.post(path, json=body)).status_code == 422
        for body in ({"id": "x"}, {"email": "nobody@example.com"}):
            rejected = await api.post(path, json=body)
            assert (rejected.status_code, rejected.json()["error"]["code"]) == (404, "CONTACT_NOT_FOUND")
    assert (await api.post("/v1/contacts", json={"email": "ann@example.com"})).status_code == 422
