"""`/contacts` as documented."""

from typing import Any
from uuid import uuid4

import httpx
import pytest


async def created(api: httpx.AsyncClient, email: str = "ann@example.com", **fields: Any) -> dict[str, Any]:
    response = await api.post("/contacts", json={"email": email, **fields})
    assert response.status_code == 201, response.text
    contact: dict[str, Any] = response.json()
    return contact


async def test_a_contact_is_created_or_updated_by_its_address(api: httpx.AsyncClient) -> None:
    new = await created(api, " Ann@Example.com ", data={"firstName": "Ann", "plan": "pro"})
    again = await api.post("/contacts", json={"email": "ANN@example.com", "data": {"plan": None, "seats": 3}})
    assert (new["email"], new["subscribed"], new["_meta"]) == (
        "ann@example.com",
        True,
        {"isNew": True, "isUpdate": False},
    )
    assert again.status_code == 200 and again.json()["_meta"] == {"isNew": False, "isUpdate": True}
    assert again.json()["id"] == new["id"] and again.json()["data"] == {"firstName": "Ann", "seats": 3}


async def test_reserved_keys_are_dropped_and_a_locale_must_be_a_string(api: httpx.AsyncClient) -> None:
    reserved = {"id": 1, "email": "x", "createdAt": 1, "updatedAt": 1, "subscribed": False, "plunk_id": 1}
    new = await created(api, data=reserved | {"locale": "fr"})
    assert new["data"] == {"locale": "fr"} and new["subscribed"]
    rejected = await api.patch(f"/contacts/{new['id']}", json={"data": {"locale": 5}})
    assert rejected.status_code == 422 and rejected.json()["error"]["errors"][0]["field"] == "data.locale"


async def test_a_contact_is_read_updated_and_deleted_by_its_id(api: httpx.AsyncClient) -> None:
    ann = await created(api)
    path = f"/contacts/{ann['id']}"
    assert (await api.get(path)).json() == {key: value for key, value in ann.items() if key != "_meta"}
    changed = await api.patch(path, json={"email": "anna@example.com", "subscribed": False, "data": {"plan": "pro"}})
    assert changed.status_code == 200
    assert [changed.json()[key] for key in ("email", "subscribed", "data")] == [
        "anna@example.com",
        False,
        {"plan": "pro"},
    ]
    gone = await api.delete(path)
    assert (gone.status_code, gone.content) == (204, b"")
    for answer in (await api.get(path), await api.patch(path, json={"data": None}), await api.delete(path)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "CONTACT_NOT_FOUND")


async def test_a_deleted_address_is_free_for_a_new_contact(api: httpx.AsyncClient) -> None:
    ann = await created(api, data={"plan": "pro"})
    await api.delete(f"/contacts/{ann['id']}")
    again = await created(api)
    assert again["id"] != ann["id"] and again["data"] == {}


async def test_deleting_twice_with_one_key_gives_the_same_response(api: httpx.AsyncClient) -> None:
    ann = await created(api)
    headers = {"Idempotency-Key": str(uuid4())}
    first = await api.delete(f"/contacts/{ann['id']}", headers=headers)
    again = await api.delete(f"/contacts/{ann['id']}", headers=headers)
    assert (first.status_code, again.status_code, again.content) == (204, 204, b"")
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_an_address_of_another_contact_cannot_be_taken(api: httpx.AsyncClient) -> None:
    await created(api)
    bea = await created(api, "bea@example.com")
    rejected = await api.patch(f"/contacts/{bea['id']}", json={"email": "Ann@example.com"})
    assert (rejected.status_code, rejected.json()["error"]["code"]) == (409, "CONFLICT")
    assert rejected.json()["error"]["message"] == "Contact with this email already exists in this project"


async def test_a_list_is_paged_by_its_cursor_and_counted_on_the_first_page_only(api: httpx.AsyncClient) -> None:
    emails = [(await created(api, f"user{n}@example.com"))["email"] for n in range(5)]
    seen, totals, query = [], [], {"limit": "2"}
    while True:
        page = (await api.get("/contacts", params=query)).json()
        seen += [contact["email"] for contact in page["data"]]
        totals.append(page["total"])
        if not page["hasMore"]:
            break
        query["cursor"] = page["cursor"]
    assert seen == emails[::-1] and totals == [5, 0, 0] and page["cursor"] is None


async def test_up_to_500_addresses_are_looked_up_at_once(api: httpx.AsyncClient) -> None:
    await created(api)
    emails = ["x@example.com", " ANN@Example.com", "no address", "ann@example.com"]
    answer = await api.post("/contacts/lookup", json={"emails": emails})
    assert answer.status_code == 200
    assert answer.json() == {"found": [emails[1], emails[3]], "notFound": [emails[0], emails[2]]}
    for wrong, message in (([], "emails must be a non-empty array"), (["a@b.cc"] * 501, "Maximum 500 emails")):
        rejected = await api.post("/contacts/lookup", json={"emails": wrong})
        assert rejected.status_code == 422 and message in rejected.json()["error"]["errors"][0]["message"]


async def test_a_page_of_large_contacts_is_limited_in_bytes(api: httpx.AsyncClient) -> None:
    large = {"text": "x" * 120_000}
    for n in range(9):
        await created(api, f"user{n}@example.com", data=large)
    first = (await api.get("/contacts", params={"limit": 9})).json()
    assert first["hasMore"] and 1 <= len(first["data"]) < 9 and first["total"] == 9
    rest = (await api.get("/contacts", params={"limit": 9, "cursor": first["cursor"]})).json()
    assert len(first["data"]) + len(rest["data"]) == 9


async def test_contacts_of_another_project_do_not_exist(api: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    ann = await created(api)
    path = f"/contacts/{ann['id']}"
    for answer in (
        await stranger.get(path),
        await stranger.patch(path, json={"subscribed": False}),
        await stranger.delete(path),
        await stranger.request("DELETE", "/v1/contacts", json={"id": ann["id"]}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "CONTACT_NOT_FOUND")
    assert (await stranger.post("/contacts/lookup", json={"emails": [ann["email"]]})).json()["found"] == []
    assert (await api.get(path)).json()["subscribed"]


BAD_BODIES = [
    b'{"email": 5}',
    b'{"email": "nobody"}',
    b'{"email": "ann@@example.com"}',
    b'{"email": "ann@example.com", "subscribed": "yes"}',
    b'{"email": "ann@example.com", "data": []}',
    b'{"email": "ann@example.com", "data": {"a": "\\u0000"}}',
    b'{"email": "ann@example.com", "data": {"a": "\\ud800"}}',
    b'{"email": "ann@example.com", "data": {"a": 1e400}}',
    b'{"email": "ann@example.com", "data": {"a": 123456789012345678901234567890}}',
    b'{"email": "ann@example.com", "data": {"a": ' + b"[" * 40 + b"]" * 40 + b"}}",
    b'{"email": "ann@example.com", "data": {"a": "' + b"x" * 140_000 + b'"}}',
    b'{"email": "\xff@example.com"}',
    b"{",
    b"",
    b"null",
    b"[]",
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_invalid_input_is_rejected_by_field_and_changes_nothing(api: httpx.AsyncClient, body: bytes) -> None:
    for method, path in (("POST", "/contacts"), ("POST", "/v1/contacts")):
        rejected = await api.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= rejected.status_code < 500, rejected.text
        assert rejected.json()["error"]["code"]
    assert (await api.get("/contacts")).json()["total"] == 0


async def test_a_repeated_key_counts_once(api: httpx.AsyncClient) -> None:
    body = b'{"email": "ann@example.com", "data": {"plan": "free", "plan": "pro"}}'
    answer = await api.post("/contacts", content=body, headers={"Content-Type": "application/json"})
    assert answer.json()["data"] == {"plan": "pro"}


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=101", "cursor=nonsense", "search=%00"])
async def test_invalid_parameters_are_rejected_by_name(api: httpx.AsyncClient, query: str) -> None:
    rejected = await api.get(f"/contacts?{query}")
    assert rejected.status_code == 422
    assert rejected.json()["error"]["errors"][0]["field"] == query.partition("=")[0]


async def test_a_contacts_history_is_paged_newest_first(api: httpx.AsyncClient) -> None:
    ann = await created(api, data={"plan": "free"})
    path = f"/contacts/{ann['id']}"
    await api.patch(path, json={"data": {"plan": "pro"}})
    await api.patch(path, json={"subscribed": False})
    first = (await api.get(f"{path}/history", params={"limit": 2})).json()
    assert [entry["type"] for entry in first["data"]] == ["contact.unsubscribed", "contact.updated"]
    assert first["total"] == 3 and first["hasMore"] and first["data"][1]["data"]["data"] == {"plan": "pro"}
    rest = (await api.get(f"{path}/history", params={"limit": 2, "cursor": first["cursor"]})).json()
    assert [(entry["type"], entry["version"]) for entry in rest["data"]] == [("contact.created", 1)]
    assert (not rest["hasMore"] and rest["data"][0]["actor"].startswith("key")) or rest["data"][0]["actor"]


async def test_a_contact_is_returned_as_it_was_at_a_time(api: httpx.AsyncClient) -> None:
    ann = await created(api, data={"plan": "free"})
    path = f"/contacts/{ann['id']}"
    await api.patch(path, json={"data": {"plan": "pro"}, "subscribed": False})
    updated = (await api.get(f"{path}/history")).json()["data"][0]["at"]
    # Times have milliseconds: one later is certainly after the change, and the time of the creation is before it.
    later = (await api.get(path, params={"at": "2100-01-01T00:00:00+02:00"})).json()
    assert (later["data"], later["subscribed"]) == ({"plan": "pro"}, False) and later["updatedAt"] == updated
    before = await api.get(path, params={"at": "2020-01-01T00:00:00Z"})
    assert (before.status_code, before.json()["error"]["code"]) == (404, "CONTACT_NOT_FOUND")
    wrong = await api.get(path, params={"at": "yesterday"})
    assert (wrong.status_code, wrong.json()["error"]["errors"][0]["field"]) == (422, "at")


async def test_the_history_of_a_deleted_contact_has_no_personal_data(api: httpx.AsyncClient) -> None:
    ann = await created(api, data={"name": "Ann"})
    await api.delete(f"/contacts/{ann['id']}")
    history = await api.get(f"/contacts/{ann['id']}/history")
    assert [entry["type"] for entry in history.json()["data"]] == ["contact.deleted", "contact.created"]
    assert "ann@example.com" not in history.text and "Ann" not in history.text
    seen = await api.get(f"/contacts/{ann['id']}", params={"at": "2100-01-01"})
    assert seen.status_code == 404


async def test_history_of_another_projects_contact_does_not_exist(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    ann = await created(api)
    for query in ("/history", "?at=2100-01-01"):
        assert (await stranger.get(f"/contacts/{ann['id']}{query}")).status_code == 404
    assert (await api.get(f"/contacts/{ann['id']}/history?cursor=x")).status_code == 422
