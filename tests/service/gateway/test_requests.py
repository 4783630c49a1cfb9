"""Requests to the gateway over HTTP."""

from base64 import b64encode
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx
import pytest

from libs.schemas.contacts.contacts import SaveContact, TrackEvent
from libs.schemas.delivery.content import PIECE_BYTES, StoreFilePiece
from libs.schemas.delivery.emails import SendEmails
from tests.conftest import Stack
from tests.service.gateway.conftest import World, gateway_for, url_of

FILE = {"filename": "a.txt", "content": "aGVsbG8=", "contentType": "text/plain"}
EVENT = {"email": "ada@example.com", "event": "signed_up", "data": {"plan": "pro"}}


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return the status and the code of an error, whose envelope must be complete."""
    envelope = response.json()
    error = envelope["error"]
    assert envelope["success"] is False
    assert envelope["timestamp"].endswith("Z")
    assert error["statusCode"] == response.status_code
    assert error["requestId"] == response.headers["X-Request-ID"]
    assert error["message"]
    return response.status_code, error["code"]


def last(world: World, kind: type[Any]) -> Any:
    return [message for message in world.contacts.done_for(world.project) if isinstance(message, kind)][-1]


@pytest.mark.parametrize("path", ["/v1/track", "/v1", "/api/v1/track", "/api/v1"])
async def test_a_tracked_event_is_returned_for_old_and_new_clients(
    world: World, api: httpx.AsyncClient, path: str
) -> None:
    response = await api.post(path, json=EVENT)
    answer = response.json()
    assert (response.status_code, answer["success"]) == (200, True)
    assert answer["data"] == {name: answer[name] for name in ("contact", "event", "timestamp")}
    tracked = last(world, TrackEvent)
    assert (tracked.email, tracked.event, tracked.data) == ("ada@example.com", "signed_up", {"plan": "pro"})


async def test_requests_without_a_key_or_with_an_invalid_one_are_rejected(
    world: World, stranger: httpx.AsyncClient
) -> None:
    assert error_of(await stranger.get("/contacts")) == (401, "MISSING_AUTH")
    for key in ("sk_unknown", world.public, "nonsense"):
        rejected = await stranger.get("/contacts", headers={"Authorization": f"Bearer {key}"})
        assert error_of(rejected) == (401, "INVALID_API_KEY")
        assert "requires a secret key (sk_*)" in rejected.json()["error"]["message"]
    rejected = await stranger.post("/v1/track", json=EVENT, headers={"Authorization": "Bearer pk_unknown"})
    assert error_of(rejected) == (401, "INVALID_API_KEY")
    assert "public key (pk_*)" in rejected.json()["error"]["message"]


async def test_a_public_key_may_only_track(world: World) -> None:
    async with world.client(world.public) as browser:
        assert (await browser.post("/v1/track", json=EVENT)).status_code == 200
        assert error_of(await browser.post("/v1/send", json={})) == (401, "INVALID_API_KEY")
        assert error_of(await browser.get("/emails")) == (401, "INVALID_API_KEY")


async def test_a_public_key_cannot_undo_an_unsubscription(world: World) -> None:
    async with world.client(world.public) as browser:
        await browser.post("/v1/track", json=EVENT | {"subscribed": True})
        assert last(world, TrackEvent).subscribed is None
        await browser.post("/v1/track", json=EVENT | {"subscribed": False})
        assert last(world, TrackEvent).subscribed is False
    async with world.client() as server:
        await server.post("/v1/track", json=EVENT | {"subscribed": True})
        assert last(world, TrackEvent).subscribed is True


async def test_requests_with_a_public_key_are_limited_in_size(world: World) -> None:
    async with world.client(world.public) as browser:
        many = {f"k{n}": n for n in range(51)}
        assert error_of(await browser.post("/v1/track", json=EVENT | {"data": many})) == (422, "VALIDATION_ERROR")
        large = {"text": "x" * 40_000}
        assert error_of(await browser.post("/v1/track", json=EVENT | {"data": large})) == (413, "PAYLOAD_TOO_LARGE")


async def test_a_contact_is_created_or_found(world: World, api: httpx.AsyncClient) -> None:
    created = await api.post("/contacts", json={"email": "new@example.com"})
    assert (created.status_code, created.json()["_meta"]["isNew"]) == (201, True)
    assert last(world, SaveContact).default_subscribed is True
    unchanged_contacts = await api.post("/contacts", json={"email": "known@example.com", "data": {"a": '"isNew":true'}})
    assert (unchanged_contacts.status_code, unchanged_contacts.json()["_meta"]["isNew"]) == (200, False)


async def test_a_mail_to_several_is_one_mail_each_and_new_contacts_start_unsubscribed(
    world: World, api: httpx.AsyncClient
) -> None:
    tag = uuid4().hex
    recipients = [f"a{tag}@example.com", {"email": f"b{tag}@example.com", "name": "Bee"}, f" A{tag}@example.com"]
    body = {"to": recipients, "subject": "Hi", "body": "<p>Hi</p>", "from": "me@example.com", "data": {"plan": "pro"}}
    answer = (await api.post("/v1/send", json=body)).json()
    assert answer["data"]["emails"] == answer["emails"]
    assert [each["contact"]["email"] for each in answer["emails"]] == [f"a{tag}@example.com", f"b{tag}@example.com"]
    (order,) = orders(world, tag)
    assert [str(each.email_id) for each in order.recipients] == [each["email"] for each in answer["emails"]]
    assert [(each.subscribed, each.name) for each in order.recipients] == [(False, None), (False, "Bee")]
    assert order.content is not None and order.content.kind == "TRANSACTIONAL"
    assert last(world, SaveContact).data["plan"] == "pro"


async def test_no_mail_is_sent_if_one_recipient_is_rejected(world: World, api: httpx.AsyncClient) -> None:
    tag = uuid4().hex
    body = {"to": [f"a{tag}@example.com", f"refused{tag}@example.com"], "subject": "Hi", "body": "b", "from": "m@e.co"}
    assert error_of(await api.post("/v1/send", json=body)) == (422, "VALIDATION_ERROR")
    assert not orders(world, tag)


async def test_no_mail_is_sent_if_one_recipient_is_not_subscribed(world: World, api: httpx.AsyncClient) -> None:
    tag = uuid4().hex
    to = [f"subscriber{tag}@example.com", f"other{tag}@example.com", f"subscriber2{tag}@example.com"]
    body = {"to": to, "subject": "strict {{ name }}", "body": "b", "from": "me@example.com"}
    assert error_of(await api.post("/v1/send", json=body)) == (400, "CONTACT_UNSUBSCRIBED")
    assert not orders(world, tag) and not saved(world, tag)
    answer = (await api.post("/v1/send", json=body | {"to": [to[2], to[0]]})).json()
    assert [each["contact"]["email"] for each in answer["emails"]] == [to[2], to[0]]


@pytest.mark.parametrize(
    ("changes", "status", "code", "field"),
    [
        ({"subject": "unsendable {{ x }}"}, 403, "DOMAIN_NOT_REGISTERED", None),
        ({"to": ["a@example.com", "no address"]}, 422, "VALIDATION_ERROR", "to.1"),
        ({"to": []}, 422, "VALIDATION_ERROR", "to"),
        ({"headers": {"To": "x@example.com"}}, 422, "VALIDATION_ERROR", "headers.To"),
        ({"headers": {"X-A": "a\r\nBcc: x@example.com"}}, 422, "VALIDATION_ERROR", "headers.X-A"),
        ({"reply": "no address"}, 422, "VALIDATION_ERROR", "reply"),
        ({"from": {"name": "A"}}, 422, "VALIDATION_ERROR", "from.email"),
        ({"subject": ""}, 422, "VALIDATION_ERROR", "subject"),
        ({"subject": None}, 422, "VALIDATION_ERROR", "template"),
        ({"tracking": "no"}, 422, "VALIDATION_ERROR", "tracking"),
        ({"attachments": [FILE] * 11}, 422, "VALIDATION_ERROR", "attachments"),
        ({"attachments": [FILE | {"content": "no base64!"}]}, 422, "VALIDATION_ERROR", "attachments.0.content"),
        ({"attachments": [FILE | {"content": ""}]}, 422, "VALIDATION_ERROR", "attachments.0.content"),
        ({"attachments": [FILE | {"filename": "a\r\nBcc: x"}]}, 422, "VALIDATION_ERROR", "attachments.0.filename"),
        ({"attachments": [FILE | {"contentType": "x"}]}, 422, "VALIDATION_ERROR", "attachments.0.contentType"),
        ({"attachments": [FILE, FILE | {"disposition": "inline"}]}, 422, "VALIDATION_ERROR", "attachments.1.contentId"),
        ({"attachments": [FILE | {"contentId": "a<b"}]}, 422, "VALIDATION_ERROR", "attachments.0.contentId"),
        ({"attachments": [{"filename": "a"}]}, 422, "VALIDATION_ERROR", "attachments.0.content"),
        ({"attachments": [FILE | {"content": "A" * 7_000_000}] * 2}, 422, "VALIDATION_ERROR", "attachments"),
        ({"attachments": [FILE | {"content": "A" * 16_000_000}]}, 413, "PAYLOAD_TOO_LARGE", None),
        ({"body": "x" * 800_000}, 422, "VALIDATION_ERROR", "body"),
    ],
)
async def test_a_mail_that_cannot_be_sent_is_rejected_before_anything_is_written(
    world: World, api: httpx.AsyncClient, changes: dict[str, Any], status: int, code: str, field: str | None
) -> None:
    tag = uuid4().hex
    usual = {"to": [f"subscriber{tag}@example.com"], "subject": "Hi", "body": "b", "from": "me@example.com"}
    response = await api.post("/v1/send", json=usual | changes | {"data": {"tag": tag}})
    assert error_of(response) == (status, code)
    assert [error["field"] for error in response.json()["error"].get("errors", [])] == ([field] if field else [])
    assert not orders(world, tag) and not saved(world, tag)


async def test_files_are_stored_in_pieces_once_each_and_named_by_their_digest(
    world: World, api: httpx.AsyncClient
) -> None:
    tag = uuid4().hex
    large = (tag.encode() * 40_000)[: PIECE_BYTES * 2 + 1]
    image = FILE | {"contentId": "logo", "disposition": "inline"}
    files = [FILE | {"content": b64encode(large).decode()}, image, FILE | {"content": b64encode(large).decode()}]
    body = {"to": f"{tag}@example.com", "subject": "Hi", "body": "b", "from": "me@example.com", "attachments": files}
    assert (await api.post("/v1/send", json=body)).status_code == 200
    (order,) = orders(world, tag)
    digest = sha256(large).hexdigest()
    assert [(each.digest, each.size, each.inline) for each in order.extras.attachments] == [
        (digest, len(large), False),
        (sha256(b"hello").hexdigest(), 5, True),
        (digest, len(large), False),
    ]
    stored = [each for each in world.delivery.done_for(world.project) if isinstance(each, StoreFilePiece)]
    pieces = sorted((each for each in stored if each.digest == digest), key=lambda each: each.number)
    assert [each.number for each in pieces] == [0, 1, 2] and b"".join(each.data for each in pieces) == large


async def test_only_contacts_that_the_request_changes_are_saved(world: World, api: httpx.AsyncClient) -> None:
    tag = uuid4().hex
    to = [f"new{tag}@example.com", f"settled{tag}@example.com"]
    answer = (await api.post("/v1/send", json={"to": to, "subject": "Hi", "body": "b", "from": "me@e.co"})).json()
    assert [each["contact"]["email"] for each in answer["emails"]] == to
    assert [each.email for each in saved(world, tag)] == [to[0]]
    (order,) = orders(world, tag)
    assert order.recipients[1].contact_id == world.project


async def test_a_request_with_a_key_saves_every_contact_under_it(world: World, api: httpx.AsyncClient) -> None:
    """Otherwise a repeat could save a contact that was unchanged at first and has changed since."""
    tag = uuid4().hex
    body = {"to": f"settled{tag}@example.com", "subject": "Hi", "body": "b", "from": "me@example.com"}
    assert (await api.post("/v1/send", json=body, headers={"Idempotency-Key": tag})).status_code == 200
    assert len(saved(world, tag)) == 1


async def test_a_draft_that_was_just_validated_is_not_validated_again(world: World, api: httpx.AsyncClient) -> None:
    tag = uuid4().hex
    for n in range(2):
        body = {"to": f"{n}{tag}@example.com", "subject": f"Hi {n}", "body": f"b {n}", "from": "me@example.com"}
        assert (await api.post("/v1/send", json=body)).status_code == 200
    assert len(orders(world, tag)) == 2


def orders(world: World, tag: str) -> list[SendEmails]:
    sent = [each for each in world.delivery.done_for(world.project) if isinstance(each, SendEmails)]
    return [each for each in sent if tag in each.recipients[0].address]


def saved(world: World, tag: str) -> list[SaveContact]:
    done = [each for each in world.contacts.done_for(world.project) if isinstance(each, SaveContact)]
    return [each for each in done if tag in each.email or each.data.get("tag") == tag]


async def test_a_rejection_by_a_service_reaches_the_caller(api: httpx.AsyncClient) -> None:
    assert error_of(await api.post("/v1/track", json=EVENT | {"email": "refused@example.com"})) == (
        422,
        "VALIDATION_ERROR",
    )
    assert error_of(await api.get(f"/contacts/{uuid4()}")) == (404, "CONTACT_NOT_FOUND")
    assert error_of(await api.get("/contacts/nonsense")) == (404, "CONTACT_NOT_FOUND")


async def test_a_service_that_does_not_run_is_a_503(api: httpx.AsyncClient) -> None:
    response = await api.get("/workflows")
    assert error_of(response) == (503, "SERVICE_UNAVAILABLE")
    assert int(response.headers["Retry-After"]) >= 1


async def test_unknown_paths_and_methods_are_rejected(stranger: httpx.AsyncClient) -> None:
    assert error_of(await stranger.get("/nowhere")) == (404, "RESOURCE_NOT_FOUND")
    rejected = await stranger.delete("/contacts")
    assert error_of(rejected) == (405, "METHOD_NOT_ALLOWED")
    assert "GET" in rejected.headers["Allow"]


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        (b"{", {}, (400, "VALIDATION_ERROR")),
        (b"\xff\xff", {}, (400, "VALIDATION_ERROR")),
        (b"", {}, (422, "VALIDATION_ERROR")),
        (b"[]", {}, (422, "VALIDATION_ERROR")),
        (b'{"email":1}', {}, (422, "VALIDATION_ERROR")),
        (b'{"email":"a@b.co","event":"x\\u0000"}', {}, (422, "VALIDATION_ERROR")),
        (b'{"email":"a@b.co","event":"x","data":' + b"[" * 5000, {}, (422, "VALIDATION_ERROR")),
        (b"{}", {"Content-Type": "text/plain"}, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"{}", {"Content-Encoding": "gzip"}, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b'{"email":"' + b"x" * 300_000 + b'"}', {}, (413, "PAYLOAD_TOO_LARGE")),
    ],
)
async def test_invalid_bodies_are_rejected_and_change_nothing(
    world: World, api: httpx.AsyncClient, content: bytes, headers: dict[str, str], expected: tuple[int, str]
) -> None:
    before = len(world.contacts.seen)
    sent = {"Content-Type": "application/json"} | headers
    assert error_of(await api.post("/v1/track", content=content, headers=sent)) == expected
    assert len(world.contacts.seen) == before


async def test_a_chunked_body_is_accepted_up_to_the_limit(api: httpx.AsyncClient) -> None:
    async def pieces(count: int) -> Any:
        yield b'{"email":"ada@example.com","event":"x","data":{"text":"'
        for _ in range(count):
            yield b"x" * 10_000
        yield b'"}}'

    headers = {"Content-Type": "application/json"}
    assert (await api.post("/v1/track", content=pieces(20), headers=headers)).status_code == 200
    assert error_of(await api.post("/v1/track", content=pieces(40), headers=headers)) == (413, "PAYLOAD_TOO_LARGE")


async def test_pages_and_states_must_be_valid(api: httpx.AsyncClient) -> None:
    for query, field in (("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("search=%00", "search")):
        rejected = await api.get(f"/contacts?{query}")
        assert error_of(rejected) == (422, "VALIDATION_ERROR")
        assert [error["field"] for error in rejected.json()["error"]["errors"]] == [field]
    assert error_of(await api.get("/campaigns?status=LOST")) == (422, "VALIDATION_ERROR")


async def test_a_valid_request_id_is_echoed_and_any_other_is_replaced(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/", headers={"X-Request-ID": "trace-7"})).headers["X-Request-ID"] == "trace-7"
    made = (await stranger.get("/", headers={"X-Request-ID": "x" * 200})).headers["X-Request-ID"]
    assert len(made) == 36


async def test_browsers_may_track_from_any_page_and_do_nothing_else(world: World, stranger: httpx.AsyncClient) -> None:
    page = {"Origin": "https://shop.example.com"}
    preflight = await stranger.options("/v1/track", headers=page | {"Access-Control-Request-Method": "POST"})
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
    async with world.client(world.public) as browser:
        tracked = await browser.post("/v1/track", json=EVENT, headers=page)
        assert tracked.headers.get_list("Access-Control-Allow-Origin") == ["*"]
        assert "Access-Control-Allow-Origin" not in (await browser.get("/contacts", headers=page)).headers


async def test_a_project_over_its_rate_limit_is_slowed_down(stack: Stack, world: World) -> None:
    async with (
        gateway_for(stack, world.secret, world.public, api_rate_limit=3) as gateway,
        httpx.AsyncClient(base_url=url_of(gateway), headers={"Authorization": f"Bearer {world.secret}"}) as c,
    ):
        responses = [await c.post("/v1/track", json=EVENT) for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert [response.headers["RateLimit-Remaining"] for response in responses] == ["2", "1", "0", "0"]
    assert error_of(responses[3]) == (429, "RATE_LIMIT_EXCEEDED")
    wait = responses[3].json()["error"]["details"]["retryAfter"]
    assert wait == int(responses[3].headers["Retry-After"]) >= 1


async def test_a_project_sees_its_own_domains_only(world: World, api: httpx.AsyncClient) -> None:
    assert error_of(await api.get(f"/domains/project/{uuid4()}")) == (404, "PROJECT_NOT_FOUND")
    assert error_of(await api.get("/domains/project/nonsense")) == (404, "PROJECT_NOT_FOUND")
