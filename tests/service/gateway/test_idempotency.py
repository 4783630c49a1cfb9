"""Requests that are repeated with the same Idempotency-Key."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx

from libs.runtime.clock import uuid7
from libs.runtime.process.testing import eventually
from services.gateway.http.idempotency import fingerprint_of
from tests.service.gateway.conftest import World
from tests.service.gateway.test_requests import error_of


def event(**changes: Any) -> dict[str, Any]:
    return {"email": f"{uuid4().hex}@example.com", "event": "ordered"} | changes


def done(world: World, email: str) -> int:
    return sum(getattr(message, "email", "") == email for message in world.contacts.done_for(world.project))


async def test_a_repeat_gets_the_first_response_and_nothing_is_done_twice(world: World, api: httpx.AsyncClient) -> None:
    body, key = event(data={"a": 1, "b": 2}), {"Idempotency-Key": uuid4().hex}
    first = await api.post("/v1/track", json=body, headers=key)
    again = await api.post("/v1/track", json=dict(reversed(body.items())), headers=key)
    assert (again.status_code, again.content) == (200, first.content)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert done(world, body["email"]) == 1


async def test_statuses_and_errors_are_repeated(api: httpx.AsyncClient) -> None:
    created = [
        await api.post("/contacts", json={"email": "one@example.com"}, headers={"Idempotency-Key": "create one"})
        for _ in range(2)
    ]
    assert [response.status_code for response in created] == [201, 201]
    body, key = event(email="refused@example.com"), {"Idempotency-Key": uuid4().hex}
    rejected = [await api.post("/v1/track", json=body, headers=key) for _ in range(2)]
    assert rejected[0].content == rejected[1].content
    assert rejected[1].headers["Idempotency-Replayed"] == "true"


async def test_a_key_cannot_be_used_for_another_request(api: httpx.AsyncClient) -> None:
    body, key = event(), {"Idempotency-Key": uuid4().hex}
    await api.post("/v1/track", json=body, headers=key)
    for response in (
        await api.post("/v1/track", json=body | {"event": "other"}, headers=key),
        await api.post("/contacts", json=body, headers=key),
    ):
        assert error_of(response) == (409, "IDEMPOTENCY_KEY_REUSED")
        details = response.json()["error"]["details"]
        assert details["key"] == key["Idempotency-Key"]
        assert (details["originalRequest"], details["originalStatusCode"]) == ("POST /v1/track", 200)
        assert details["originalRequestAt"].endswith("Z")


async def test_projects_do_not_share_keys(api: httpx.AsyncClient, other_project: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    assert (await api.post("/v1/track", json=event(), headers=key)).status_code == 200
    assert (await other_project.post("/v1/track", json=event(), headers=key)).status_code == 200


async def test_a_repeat_while_the_first_is_running_gets_retry_after(world: World, api: httpx.AsyncClient) -> None:
    body, key = event(), {"Idempotency-Key": uuid4().hex}
    world.contacts.open.clear()
    try:
        first = asyncio.create_task(api.post("/v1/track", json=body, headers=key))
        await eventually(lambda: _is_claimed(world, key["Idempotency-Key"]))
        second = await api.post("/v1/track", json=body, headers=key)
    finally:
        world.contacts.open.set()
    assert error_of(second) == (409, "IDEMPOTENCY_KEY_IN_PROGRESS")
    assert "same key" in second.json()["error"]["suggestion"]
    assert 1 <= int(second.headers["Retry-After"]) <= 30
    assert second.json()["error"]["details"]["originalStatusCode"] is None
    assert (await first).status_code == 200
    assert (await api.post("/v1/track", json=body, headers=key)).content == (await first).content
    assert done(world, body["email"]) == 1


async def test_of_many_concurrent_repeats_one_is_done(world: World, api: httpx.AsyncClient) -> None:
    body, key = event(), {"Idempotency-Key": uuid4().hex}
    responses = await asyncio.gather(*(api.post("/v1/track", json=body, headers=key) for _ in range(20)))
    assert {response.status_code for response in responses} <= {200, 409}
    assert len({response.content for response in responses if response.status_code == 200}) == 1
    assert done(world, body["email"]) == 1


async def test_an_invalid_request_does_not_use_up_its_key(api: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    assert error_of(await api.post("/v1/track", json={"email": 1}, headers=key)) == (422, "VALIDATION_ERROR")
    assert (await api.post("/v1/track", json=event(), headers=key)).status_code == 200


async def test_a_key_must_be_printable(api: httpx.AsyncClient) -> None:
    for key in (b"", b"x" * 256, b"\xc3\xa9"):
        response = await api.post("/v1/track", json=event(), headers=[(b"Idempotency-Key", key)])
        assert error_of(response) == (400, "BAD_REQUEST")


async def test_a_request_that_died_is_taken_over_under_the_same_command_id(
    world: World, api: httpx.AsyncClient
) -> None:
    body, key, command = event(), uuid4().hex, uuid7()
    content = httpx.Request("POST", "http://x", json=body).content
    await _leave_behind(world, key, fingerprint_of("POST /v1/track", b"", content), command, leased_for=-1)
    assert (await api.post("/v1/track", json=body, headers={"Idempotency-Key": key})).status_code == 200
    [envelope] = [each for each in world.contacts.seen if getattr(each.message, "email", "") == body["email"]]
    assert envelope.id == command


async def test_a_repeat_that_fails_before_its_command_keeps_the_key_of_one_that_died(
    world: World, api: httpx.AsyncClient
) -> None:
    """It may have sent its command: under a new command id a third run would do it twice."""
    body, key, command = {"email": 1}, uuid4().hex, uuid7()
    content = httpx.Request("POST", "http://x", json=body).content
    await _leave_behind(world, key, fingerprint_of("POST /v1/track", b"", content), command, leased_for=-1)
    assert (await api.post("/v1/track", json=body, headers={"Idempotency-Key": key})).status_code == 422
    kept = "select command_id from idempotency where key = $1"
    assert await world.gateway.pool.fetchval(kept, key) == command


async def test_a_request_within_its_lease_is_not_taken_over(world: World, api: httpx.AsyncClient) -> None:
    body, key = event(), uuid4().hex
    content = httpx.Request("POST", "http://x", json=body).content
    await _leave_behind(world, key, fingerprint_of("POST /v1/track", b"", content), uuid7(), leased_for=30)
    rejected = await api.post("/v1/track", json=body, headers={"Idempotency-Key": key})
    assert error_of(rejected) == (409, "IDEMPOTENCY_KEY_IN_PROGRESS")
    assert done(world, body["email"]) == 0


async def test_a_key_can_be_used_again_after_a_day(world: World, api: httpx.AsyncClient) -> None:
    key, first, second = uuid4().hex, event(), event()
    await api.post("/v1/track", json=first, headers={"Idempotency-Key": key})
    await world.gateway.pool.execute(
        "update idempotency set expires_at = clock_timestamp() - interval '1 s' where key = $1", key
    )
    response = await api.post("/v1/track", json=second, headers={"Idempotency-Key": key})
    assert (response.status_code, "Idempotency-Replayed" in response.headers) == (200, False)
    assert (done(world, first["email"]), done(world, second["email"])) == (1, 1)


async def _is_claimed(world: World, key: str) -> bool:
    return bool(await world.gateway.pool.fetchval("select true from idempotency where key = $1", key))


async def _leave_behind(world: World, key: str, fingerprint: bytes, command: Any, leased_for: float) -> None:
    """Insert what a gateway leaves behind that dies in the middle of a request."""
    await world.gateway.pool.execute(
        """
        insert into idempotency (project, key, fingerprint, request, command_id, claimed_at, leased_until, expires_at)
        select $1, $2, $3, 'POST /v1/track', $4, now, now + make_interval(secs => $5), now + interval '1 day'
        from clock_timestamp() as now
        """,
        world.project,
        key,
        fingerprint,
        command,
        leased_for,
    )
