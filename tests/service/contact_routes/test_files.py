"""Importing contacts from CSV, and exporting them as CSV or JSON lines."""

import csv
import io
import json
from typing import Any

import httpx
import pytest

from libs.runtime.process.testing import eventually
from tests.service.gateway.test_requests import error_of

SUBSCRIBED = {"logic": "AND", "groups": [{"filters": [{"field": "subscribed", "operator": "equals", "value": True}]}]}


async def imported(api: httpx.AsyncClient, text: str) -> dict[str, Any]:
    """Import the file and return the job once it has ended."""
    accepted = await api.post("/contacts/import", files={"file": ("people.csv", text.encode())})
    assert accepted.status_code == 202, accepted.text

    async def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = (await api.get(f"/contacts/import/{accepted.json()['jobId']}")).json()
        return job if job["state"] in ("completed", "failed") else None

    return await eventually(ended)


async def exported(api: httpx.AsyncClient, **query: str) -> list[list[str]]:
    response = await api.get("/contacts/export", params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.headers["content-disposition"] == 'attachment; filename="contacts.csv"'
    return list(csv.reader(io.StringIO(response.text, newline="")))


async def test_an_import_is_returned_as_documented(api: httpx.AsyncClient) -> None:
    job = await imported(api, "name,email\nAnn,ann@example.com\nBob,bob\n")
    assert set(job) == {"id", "state", "progress", "result", "failedReason"}
    assert (job["state"], job["progress"], job["failedReason"]) == ("completed", 100, None)
    assert job["result"] == {
        "totalRows": 2,
        "successCount": 1,
        "createdCount": 1,
        "updatedCount": 0,
        "unchangedCount": 0,
        "failureCount": 1,
        "errors": [{"row": 3, "email": "bob", "error": "Invalid email"}],
    }


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty_file"),
        ("email\n", "empty_file"),
        ("name\nAnn\n", "missing_column"),
        ("email,a,a\nx@x.io,1,2\n", "duplicate_column"),
    ],
)
async def test_a_file_that_cannot_be_imported_is_rejected_at_once(api: httpx.AsyncClient, text: str, code: str) -> None:
    response = await api.post("/contacts/import", files={"file": ("people.csv", text.encode())})
    assert error_of(response) == (422, "VALIDATION_ERROR")
    assert [(e["field"], e["code"]) for e in response.json()["error"]["errors"]] == [("file", code)]


async def test_an_export_has_a_column_for_each_key_and_no_formula(api: httpx.AsyncClient) -> None:
    data = {"note": '=cmd|" /C calc"!A0', "age": -4, "vip": True, "tags": ["a", "b"], "-odd": "x", "empty": None}
    ann = (await api.post("/contacts", json={"email": "ann@example.com", "data": data})).json()
    bob = (await api.post("/contacts", json={"email": "bob@example.com", "subscribed": False})).json()
    assert await exported(api) == [
        ["email", "subscribed", "createdAt", "updatedAt", "id", "'-odd", "age", "note", "tags", "vip"],
        [
            *("ann@example.com", "true", ann["createdAt"], ann["updatedAt"], ann["id"]),
            "x",
            "-4",
            '\'=cmd|" /C calc"!A0',
            '["a","b"]',
            "true",
        ],
        ["bob@example.com", "false", bob["createdAt"], bob["updatedAt"], bob["id"], "", "", "", "", ""],
    ]


async def test_an_export_as_json_lines_has_the_contacts_as_the_api_shows_them(api: httpx.AsyncClient) -> None:
    ann = (await api.post("/contacts", json={"email": "ann@example.com", "data": {"a": {"b": [1]}}})).json()
    response = await api.get("/contacts/export?format=jsonl")
    assert response.headers["content-type"] == "application/x-ndjson"
    [line] = [json.loads(line) for line in response.text.splitlines()]
    assert line == {key: ann[key] for key in ann if key != "_meta"}


async def test_an_export_of_a_segment_has_its_members(api: httpx.AsyncClient, stranger: httpx.AsyncClient) -> None:
    for name, subscribed in (("ann", True), ("bob", False)):
        await api.post("/contacts", json={"email": f"{name}@example.com", "subscribed": subscribed})
    dynamic = (await api.post("/segments", json={"name": "Subscribed", "condition": SUBSCRIBED})).json()["id"]
    static = (await api.post("/segments", json={"name": "Some", "type": "STATIC"})).json()["id"]
    await api.post(f"/segments/{static}/members", json={"emails": ["bob@example.com"]})
    assert [row[0] for row in (await exported(api, segmentId=dynamic))[1:]] == ["ann@example.com"]
    assert [row[0] for row in (await exported(api, segmentId=static))[1:]] == ["bob@example.com"]
    rejected = await stranger.get("/contacts/export", params={"segmentId": static})
    assert error_of(rejected) == (404, "SEGMENT_NOT_FOUND")


async def test_a_large_export_is_complete_and_can_be_imported_again(
    api: httpx.AsyncClient, stranger: httpx.AsyncClient
) -> None:
    text = "email,size\n" + "".join(f"{number}@example.com,{number}\n" for number in range(2500))
    await imported(api, text)
    found = await api.get("/contacts/export")
    rows = list(csv.DictReader(io.StringIO(found.text, newline="")))
    assert {(row["email"], row["size"]) for row in rows} == {(f"{n}@example.com", str(n)) for n in range(2500)}
    assert len(rows) == 2500
    again = await imported(stranger, found.text)
    assert again["result"]["createdCount"] == 2500


@pytest.mark.parametrize(("query", "field"), [("format=xls", "format"), ("segmentId=x", "segmentId")])
async def test_an_invalid_export_request_is_rejected(api: httpx.AsyncClient, query: str, field: str) -> None:
    response = await api.get(f"/contacts/export?{query}")
    assert error_of(response) == (422, "VALIDATION_ERROR")
    assert [error["field"] for error in response.json()["error"]["errors"]] == [field]


async def test_a_bulk_operation_is_returned_as_documented(api: httpx.AsyncClient) -> None:
    ann = (await api.post("/contacts", json={"email": "ann@example.com"})).json()
    accepted = await api.post("/contacts/bulk-unsubscribe", json={"contactIds": [ann["id"]]})
    assert accepted.status_code == 202

    async def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = (await api.get(f"/contacts/bulk/{accepted.json()['jobId']}")).json()
        return job if job["state"] == "completed" else None

    job = await eventually(ended)
    assert set(job) == {"id", "state", "progress", "result", "failedReason"}
    assert job["result"] == {
        "operation": "unsubscribe",
        "totalRequested": 1,
        "successCount": 1,
        "unchangedCount": 0,
        "failureCount": 0,
        "errors": [],
    }
    assert not (await api.get(f"/contacts/{ann['id']}")).json()["subscribed"]
    cancelled = await api.post(f"/contacts/bulk/{job['id']}/cancel")
    assert error_of(cancelled) == (409, "JOB_ENDED")


BY_IDS = {"mode": "ids"}
OF_SEARCH = {"mode": "query", "filter": {"search": "meant"}}


@pytest.mark.parametrize("form", [{}, BY_IDS, OF_SEARCH])
@pytest.mark.parametrize(
    ("operation", "left"),
    [
        ("subscribe", {"meant@example.com": True, "other@example.com": False}),
        ("unsubscribe", {"meant@example.com": False, "other@example.com": False}),
        ("delete", {"other@example.com": False}),
    ],
)
async def test_a_bulk_operation_selects_contacts_in_three_ways(
    api: httpx.AsyncClient, operation: str, left: dict[str, bool], form: dict[str, Any]
) -> None:
    addresses = {"meant@example.com": operation != "subscribe", "other@example.com": False}
    made = [
        (await api.post("/contacts", json={"email": email, "subscribed": subscribed})).json()
        for email, subscribed in addresses.items()
    ]
    named = {} if form.get("mode") == "query" else {"contactIds": [made[0]["id"]]}
    accepted = await api.post(f"/contacts/bulk-{operation}", json=form | named)

    async def completed() -> bool:
        return bool((await api.get(f"/contacts/bulk/{accepted.json()['jobId']}")).json()["state"] == "completed")

    await eventually(completed)
    kept = (await api.get("/contacts")).json()["data"]
    assert {each["email"]: each["subscribed"] for each in kept} == left


async def test_all_contacts_are_deleted_only_with_an_explicit_filter(api: httpx.AsyncClient) -> None:
    rejected = await api.post("/contacts/bulk-delete", json={"mode": "query"})
    assert error_of(rejected) == (422, "VALIDATION_ERROR")
    assert [error["field"] for error in rejected.json()["error"]["errors"]] == ["filter"]
