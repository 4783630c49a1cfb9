"""Commands whose service is slow or does not run."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import httpx
import nats
import pytest

from libs.runtime.clock import now, uuid7
from libs.runtime.eventstore.codec import encode
from libs.runtime.eventstore.envelope import Envelope, command_headers
from libs.runtime.messaging.bus import Unavailable
from libs.runtime.messaging.publisher import Outgoing
from libs.runtime.process.testing import eventually
from libs.schemas.contacts.contacts import SubscribeContact
from libs.schemas.delivery.emails import SendEmails
from services.gateway.bus import bus as gateway_bus
from services.gateway.bus.bus import Bus
from tests.conftest import Stack
from tests.service.gateway.conftest import World, fake_service
from tests.service.gateway.test_requests import error_of

TEMPLATE = {"name": "T", "subject": "S", "body": "<p>B</p>", "from": "me@example.com"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(gateway_bus, "ACK_SECONDS", 0.3)
    monkeypatch.setattr(gateway_bus, "REPLY_SECONDS", 0.6)
    yield


async def test_a_command_without_a_reply_is_accepted_and_its_result_is_fetched_later(
    stack: Stack, api: httpx.AsyncClient, other_project: httpx.AsyncClient
) -> None:
    response = await api.post("/templates", json=TEMPLATE)
    command = response.json()["command"]
    assert (response.status_code, response.json()["success"]) == (202, True)
    assert response.json()["data"] == {"command": command}
    assert response.headers["Location"] == f"/commands/{command}"
    assert (await api.get(response.headers["Location"])).status_code == 202
    async with fake_service(stack, "campaigns") as campaigns:
        answers = [await eventually(lambda: _answer(api, command)) for _ in range(3)]
    assert {answer["data"]["name"] for answer in answers} == {"T"}
    assert len({answer["data"]["id"] for answer in answers}) == 1
    assert len([m for m in campaigns.seen if str(m.id) == command]) == 1
    assert error_of(await other_project.get(f"/commands/{command}")) == (404, "COMMAND_NOT_FOUND")


async def _answer(api: httpx.AsyncClient, command: str) -> dict[str, dict[str, str]] | None:
    response = await api.get(f"/commands/{command}")
    return response.json() if response.status_code == 200 else None


async def test_a_repeat_of_the_request_gets_the_late_result(stack: Stack, api: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": uuid4().hex}
    late = await api.post("/templates", json=TEMPLATE | {"name": "Late"}, headers=key)
    assert late.status_code == 202
    async with fake_service(stack, "campaigns") as campaigns:

        async def answered() -> httpx.Response | None:
            response = await api.post("/templates", json=TEMPLATE | {"name": "Late"}, headers=key)
            return response if response.status_code == 201 else None

        first = await eventually(answered)
        again = await api.post("/templates", json=TEMPLATE | {"name": "Late"}, headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert len([m for m in campaigns.seen if m.message.name == "Late"]) == 1


async def test_an_unknown_command_is_not_found(api: httpx.AsyncClient) -> None:
    assert error_of(await api.get(f"/commands/{uuid4()}")) == (404, "COMMAND_NOT_FOUND")
    assert error_of(await api.get("/commands/nonsense")) == (404, "COMMAND_NOT_FOUND")


async def test_a_mail_whose_contact_is_not_saved_in_time_is_not_accepted(world: World, api: httpx.AsyncClient) -> None:
    email = f"{uuid4().hex}@example.com"
    body = {"to": email, "subject": "Hi", "body": "b", "from": "me@example.com"}
    key = {"Idempotency-Key": uuid4().hex}
    world.contacts.open.clear()
    try:
        assert error_of(await api.post("/v1/send", json=body, headers=key)) == (503, "SERVICE_UNAVAILABLE")
    finally:
        world.contacts.open.set()
    again = await api.post("/v1/send", json=body, headers=key)
    assert again.status_code == 200
    orders = [each for each in world.delivery.done_for(world.project) if isinstance(each, SendEmails)]
    sent = [mail for order in orders for mail in order.recipients if mail.address == email]
    assert [str(mail.email_id) for mail in sent] == [again.json()["emails"][0]["email"]]


async def test_a_command_is_unavailable_if_the_bus_does_not_accept_it(stack: Stack, world: World) -> None:
    client = await nats.connect(stack.nats_url)
    bus = Bus(client, world.gateway.pool)
    await bus.start()
    envelope = Envelope(id=uuid7(), project=uuid4(), message=SubscribeContact(contact_id=uuid4()), at=now())
    await client.close()
    with pytest.raises(Unavailable):
        await bus.execute(envelope)


async def test_a_command_is_unavailable_if_its_stream_does_not_exist(stack: Stack, world: World) -> None:
    client = await nats.connect(stack.nats_url)
    bus = Bus(client, world.gateway.pool)
    await bus.start()
    envelope = Envelope(id=uuid7(), project=uuid4(), message=SubscribeContact(contact_id=uuid4()), at=now())
    command = Outgoing("no.such.stream", command_headers(envelope), encode(envelope.message))
    with bus._awaiting(command) as awaited, pytest.raises(Unavailable):
        await bus._publish(command.subject, command.headers, awaited)
        await asyncio.wait_for(gateway_bus._reply(awaited), 5)
    await client.close()
